"""Containers get GPUs of their own, as far as they reach. The devices are made up: only what containers see is real."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.errors import ServiceError
from motet.model.views import FunctionView
from tests.backends.fake_nvml import install
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import gpus
from tests.e2e.programs.gpus import app

H100 = "NVIDIA H100 80GB HBM3"


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, [H100, H100])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def pool(name: str) -> FunctionView:
    assert app.running is not None
    return next(it for it in app.running.view().functions if it.name == name)


def spawn(function: Any, gate: Gate, count: int, start: int = 0) -> motet.FunctionCall[str]:
    call: motet.FunctionCall[str] = function.experimental_spawn_map([gate.path] * count, range(start, start + count))
    return call


@pytest.mark.usefixtures("two_gpus")
def test_two_containers_see_a_gpu_each_and_a_third_waits_and_says_what_for(gate: Gate) -> None:
    with app.run():
        two = spawn(gpus.whole, gate, 2)
        gate.wait_held(2)
        third = spawn(gpus.another, gate, 1, start=2)
        shortage = wait_until(lambda: pool("another").shortage, "a shortage")
        assert shortage == 'waiting for a GPU: "any" is asked for, and this host has 2 H100 (0 free)'
        assert pool("another").waiting_inputs == 1
        gate.open()
        assert sorted(two.iter()) == ["GPU-0", "GPU-1"]
        assert third.get() in ("GPU-0", "GPU-1")  # an idle container of the first function made room
        assert pool("another").shortage == ""
    assert_nothing_left()


@pytest.mark.usefixtures("two_gpus")
def test_a_container_sees_all_the_gpus_it_asked_for(gate: Gate) -> None:
    gate.open()
    with app.run():
        assert gpus.both.remote(gate.path, "both") == "GPU-0,GPU-1"
    assert_nothing_left()


@pytest.mark.usefixtures("two_gpus")
def test_halves_share_a_gpu(gate: Gate) -> None:
    with app.run():
        halves = spawn(gpus.half, gate, 3)
        gate.wait_held(3)
        gate.open()
        assert sorted(Counter(halves.iter()).values()) == [1, 2]
    assert_nothing_left()


@pytest.mark.usefixtures("two_gpus")
def test_functions_that_ask_for_no_gpu_see_none_unless_they_set_it_themselves(gate: Gate) -> None:
    gate.open()
    with app.run():
        assert gpus.without.remote(gate.path, "without") == ""
        assert gpus.own.remote(gate.path, "own") == "GPU-of-mine"
    assert_nothing_left()


@pytest.mark.usefixtures("two_gpus")
def test_gpus_hidden_from_the_program_are_hidden_from_its_containers(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    gate.open()
    with app.run():
        assert gpus.whole.remote(gate.path, "whole") == "GPU-1"
        with pytest.raises(ServiceError, match="this host has 1 H100"):
            gpus.both.remote(gate.path, "both")
    assert_nothing_left()


@pytest.mark.usefixtures("two_gpus")
def test_more_than_there_are_is_an_error_that_says_what_there_is(gate: Gate) -> None:
    gate.open()
    asked = 'too_many cannot run here: it asks for gpu="H100:4", and this host has 2 H100 .2 free.'
    with app.run():
        with pytest.raises(ServiceError, match=asked):
            gpus.too_many.remote(gate.path, 0)
        assert gpus.without.remote(gate.path, 1) == ""
    assert_nothing_left()


def test_without_a_driver_gpu_functions_fail_at_once_and_say_why(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, None)
    told = r"this host has no GPU \(the driver does not answer: NVML Shared Library Not Found\)"
    with app.run(), pytest.raises(ServiceError, match=told):
        gpus.whole.remote(gate.path, 0)
    assert_nothing_left()


def test_without_a_driver_they_run_without_if_told_to(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, None)
    monkeypatch.setenv("MOTET_MISSING_GPU", "ignore")
    gate.open()
    with app.run():
        assert gpus.whole.remote(gate.path, 0) == ""
    assert_nothing_left()


def test_without_a_driver_they_wait_if_told_to(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, None)
    monkeypatch.setenv("MOTET_MISSING_GPU", "wait")
    with app.run():
        call = spawn(gpus.whole, gate, 1)
        wait_until(lambda: "this host has no GPU" in pool("whole").shortage, "a shortage")
        assert pool("whole").waiting_inputs == 1
        call.cancel()
    assert_nothing_left()
