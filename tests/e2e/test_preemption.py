"""SIGTERM to a container: what it holds finishes, exit hooks run, and the rest goes elsewhere."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import motet
from motet.errors import ContainerDied
from tests.e2e.conftest import Gate, assert_nothing_left, container_states, wait_until
from tests.e2e.programs import leaving
from tests.e2e.programs.leaving import Alone, InTasks, OnThreads, SlowToStart, WithHandler, app


@pytest.fixture
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


def pids(gate: Gate) -> list[int]:
    """Containers of the inputs at the gate, in order of arrival; one that ran there twice counts twice."""
    return [int(name.rpartition("-")[2]) for name in gate.held]


def noted(directory: Path) -> list[str]:
    return [it.name for it in directory.iterdir()]


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(("cls", "at_once"), [(InTasks, 3), (OnThreads, 3), (Alone, 1)])
def test_container_told_to_end_finishes_what_it_holds_and_runs_exit_hooks(
    gate: Gate, tmp_path: Path, cls: Any, at_once: int
) -> None:
    worker = cls(notes=str(tmp_path))
    calls = [worker.hold.spawn(gate.path, number) for number in range(at_once)]
    gate.wait_held(at_once)
    (container,) = set(pids(gate))
    os.kill(container, signal.SIGTERM)
    os.kill(container, signal.SIGTERM)
    wait_until(lambda: container_states(app) == ["draining"], "the drain")
    elsewhere = worker.hold.spawn(gate.path, 99)
    gate.wait_held(at_once + 1)
    os.kill(container, signal.SIGTERM)
    gate.open()
    assert motet.FunctionCall.gather(*calls) == [container] * at_once
    assert elsewhere.get() != container
    wait_until(lambda: f"exited-{container}" in noted(tmp_path), "its exit hook")
    assert len(gate.held) == at_once + 1, "no input ran twice"


@pytest.mark.usefixtures("running")
def test_container_is_told_to_end_though_its_main_thread_waits_and_another_gets_the_signal(
    gate: Gate, tmp_path: Path
) -> None:
    call = OnThreads(notes=str(tmp_path)).hold_and_be_told.spawn(gate.path)
    gate.wait_held(1)
    wait_until(lambda: container_states(app) == ["draining"], "the drain")
    gate.open()
    call.get()
    wait_until(lambda: f"exited-{pids(gate)[0]}" in noted(tmp_path), "its exit hook")


def test_what_does_not_end_within_the_drain_grace_runs_elsewhere(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTET_DRAIN_GRACE", "1")
    with app.run():
        calls = [InTasks(notes=str(tmp_path)).hold.spawn(gate.path, number) for number in range(3)]
        gate.wait_held(3)
        (container,) = set(pids(gate))
        os.kill(container, signal.SIGTERM)
        gate.wait_held(6)
        gate.open()
        assert container not in motet.FunctionCall.gather(*calls)
    assert_nothing_left()


@pytest.mark.usefixtures("running")
def test_container_told_to_end_before_it_is_ready_ends_and_others_start_until_it_is_no_bad_luck(tmp_path: Path) -> None:
    call = SlowToStart(notes=str(tmp_path)).work.spawn()
    told: set[str] = set()
    for _ in range(3):
        (note,) = wait_until(lambda: set(noted(tmp_path)) - told, "the start of a container")
        os.kill(int(note.removeprefix("starting-")), signal.SIGTERM)
        told.add(note)
    with pytest.raises(ContainerDied, match=r"SIGTERM\) while it was starting"):
        call.get(timeout=60)


@pytest.mark.usefixtures("running")
def test_handler_of_the_users_own_stays(tmp_path: Path) -> None:
    worker = WithHandler(notes=str(tmp_path))
    container = worker.pid.remote()
    os.kill(container, signal.SIGTERM)
    wait_until(lambda: noted(tmp_path) == ["handled"], "the user's handler")
    assert worker.pid.remote() == container


@pytest.mark.usefixtures("running")
def test_process_that_is_forked_from_a_container_ends_by_sigterm_and_the_container_stays() -> None:
    exit_code, container = leaving.end_a_forked_child.remote()
    assert exit_code == -signal.SIGTERM
    assert leaving.end_a_forked_child.remote() == (-signal.SIGTERM, container)
