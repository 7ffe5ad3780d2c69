"""Cancelling inputs in real containers: the one that was asked for ends, its neighbours and its container go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import motet
from motet.exception import RemoteError
from tests.e2e.conftest import Gate, assert_nothing_left, wait_until
from tests.e2e.programs import cancelling
from tests.e2e.programs.cancelling import app, stopping


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


def wait_file(path: Path) -> str:
    wait_until(path.exists, f"the file {path.name}")
    return path.read_text()


def assert_cancelled(call: motet.FunctionCall[object]) -> None:
    with pytest.raises(RemoteError, match="Input was cancelled"):
        call.get(timeout=60)


@pytest.mark.parametrize("how", ["sleep", "process", "loop"])
@pytest.mark.parametrize("name", ["alone", "on_threads"])
def test_a_sync_input_is_interrupted_whatever_it_does_and_its_container_serves_on(
    name: str, how: str, tmp_path: Path
) -> None:
    function = getattr(cancelling, name)
    call = function.spawn(str(tmp_path), "victim", how)
    pid = wait_file(tmp_path / "victim")
    call.cancel()
    call.cancel()
    assert_cancelled(call)
    assert wait_file(tmp_path / "victim-InputCancellation") == "Input was cancelled"
    next_one = function.spawn(str(tmp_path), "next", "sleep")
    assert wait_file(tmp_path / "next") == pid
    next_one.cancel()
    wait_file(tmp_path / "next-InputCancellation")


@pytest.mark.parametrize(
    ("name", "error"), [("on_threads", "InputCancellation"), ("in_tasks", "CancelledError")], ids=["threads", "tasks"]
)
def test_neighbours_of_a_cancelled_input_finish_in_the_same_container(
    name: str, error: str, tmp_path: Path, gate: Gate
) -> None:
    function = getattr(cancelling, name)
    more = ["sleep"] if name == "on_threads" else []
    neighbours = [function.spawn(str(tmp_path), f"n{i}", *more, gate=gate.path) for i in range(4)]
    gate.wait_held(4)
    victims = [function.spawn(str(tmp_path), f"v{i}", *more) for i in range(3)]
    for i, victim in enumerate(victims):
        wait_file(tmp_path / f"v{i}")
        victim.cancel()
    for i, victim in enumerate(victims):
        assert_cancelled(victim)
        wait_file(tmp_path / f"v{i}-{error}")
    gate.open()
    pids = set(motet.FunctionCall.gather(*neighbours))
    assert pids == {int((tmp_path / "v0").read_text())}
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith("n") and "-" in it.name] == []


def test_where_sync_and_async_inputs_run_side_by_side_only_the_cancelled_ones_notice(
    tmp_path: Path, gate: Gate
) -> None:
    both = cancelling.Both()
    neighbours = [method.spawn(str(tmp_path), f"n{i}", gate.path) for i, method in enumerate((both.sync, both.in_task))]
    gate.wait_held(2)
    victims = {"InputCancellation": both.sync, "CancelledError": both.in_task}
    for error, method in victims.items():
        call = method.spawn(str(tmp_path), "victim")
        wait_file(tmp_path / "victim")
        call.cancel()
        wait_file(tmp_path / f"victim-{error}")
        (tmp_path / "victim").unlink()
    gate.open()
    assert len(set(motet.FunctionCall.gather(*neighbours))) == 1


def test_a_nested_call_is_interrupted_in_its_wait_and_cancelled_too(tmp_path: Path) -> None:
    call = cancelling.on_threads.spawn(str(tmp_path), "parent", str(tmp_path))
    wait_file(tmp_path / "child")
    call.cancel()
    wait_file(tmp_path / "parent-InputCancellation")
    wait_file(tmp_path / "child-InputCancellation")
    # The container's connection is whole: another nested call goes through.
    again = tmp_path / "again"
    again.mkdir()
    call = cancelling.on_threads.spawn(str(tmp_path), "second", str(again))
    assert wait_file(tmp_path / "second") == wait_file(tmp_path / "parent")
    wait_file(again / "child")
    call.cancel()
    wait_file(again / "child-InputCancellation")


def test_a_shielded_block_ends_before_the_cancellation_comes(tmp_path: Path) -> None:
    call = cancelling.shielded.spawn(str(tmp_path), "victim")
    wait_file(tmp_path / "victim-shielded")
    call.cancel()
    assert_cancelled(call)
    wait_file(tmp_path / "victim-InputCancellation")
    assert (tmp_path / "victim-written").exists()


@pytest.mark.parametrize(
    ("name", "error"), [("generate", "InputCancellation"), ("generate_async", "CancelledError")], ids=["sync", "async"]
)
def test_leaving_a_stream_interrupts_the_generator_that_makes_the_next_item(
    name: str, error: str, tmp_path: Path
) -> None:
    for number in range(2):
        stream = getattr(cancelling, name).remote_gen(str(tmp_path), f"g{number}")
        pid = next(stream)
        wait_file(tmp_path / f"g{number}-second")
        stream.close()
        wait_file(tmp_path / f"g{number}-{error}")
        assert int((tmp_path / "g0").read_text()) == pid


def test_cancelling_what_ended_does_nothing() -> None:
    call = cancelling.quick.spawn(0)
    pid = call.get()
    call.cancel()
    assert call.get() == pid == cancelling.quick.remote(1)


def test_cancels_that_race_with_the_start_and_the_end_of_inputs_harm_nobody() -> None:
    calls = [cancelling.quick.spawn(i) for i in range(60)]
    cancellers = [threading.Thread(target=call.cancel) for call in calls[::2]]
    for canceller in cancellers:
        canceller.start()
    pids = {call.get(timeout=60) for call in calls[1::2]}
    for canceller in cancellers:
        canceller.join()
    for call in calls[::2]:
        try:
            pids.add(call.get(timeout=60))
        except RemoteError as error:
            assert "Input was cancelled" in str(error)  # noqa: PT017 - either way is right
    assert pids == {cancelling.quick.remote(0)}


def test_finally_blocks_of_sync_inputs_run_when_their_app_stops(tmp_path: Path) -> None:
    with stopping.run():
        for number in range(3):
            cancelling.still_running.spawn(str(tmp_path), f"s{number}")
        for number in range(3):
            wait_file(tmp_path / f"s{number}")
    for number in range(3):
        assert (tmp_path / f"s{number}-InputCancellation").exists()
