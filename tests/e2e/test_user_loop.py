"""The event loop of a container: what inputs do with it is their own affair, and what hooks open in it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import motet
from tests.e2e.conftest import assert_nothing_left, wait_until
from tests.e2e.programs import user_loop
from tests.e2e.programs.user_loop import app


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run():
        yield
    assert_nothing_left()


def test_what_one_input_does_to_leave_the_program_ends_neither_the_container_nor_its_neighbours() -> None:
    ways = ["child", "callback", "signal", "signal from a thread", "stop", "shut down", ""]
    results = list(user_loop.leave.map(ways, [len(ways)] * len(ways), return_exceptions=True))
    failed = {how: repr(it) for how, it in zip(ways, results, strict=True) if isinstance(it, BaseException)}
    assert failed == {
        "child": "SystemExit(2)",
        "signal": "RemoteError('the function raised KeyboardInterrupt')",
    }
    ended = [it for it in results if not isinstance(it, BaseException)]
    assert len({pid for pid, _ in ended}) == 1
    assert all(sorted(runs) == sorted(ways) for _, runs in ended)


def test_a_sigint_ends_no_container_and_interrupts_the_input_that_runs_alone() -> None:
    pids = [user_loop.signal_from_a_thread.remote() for _ in range(2)]
    assert pids[0] == pids[1]
    pid = user_loop.signal_alone.remote(False)
    with pytest.raises(motet.exception.RemoteError, match="KeyboardInterrupt"):
        user_loop.signal_alone.remote(True)
    assert user_loop.signal_alone.remote(False) == pid


@pytest.mark.parametrize("raised", [ValueError, TimeoutError])
def test_an_alarm_that_an_input_left_behind_does_not_end_the_container(raised: type[Exception]) -> None:
    pid = user_loop.leave_an_alarm.remote(raised)
    rung = f"{raised.__name__}: too late"
    wait_until(lambda: any(line.message == rung for line in user_loop.leave_an_alarm.logs.fetch()), rung)
    assert user_loop.leave_an_alarm.remote(raised) == pid


def test_a_program_that_waits_for_all_threads_finds_its_own() -> None:
    assert user_loop.wait_for_all_threads.remote() == ["work"]


def test_an_input_sees_its_own_tasks_and_not_those_of_its_neighbours_or_of_motet() -> None:
    seen = list(user_loop.end_tasks.map(["cancel", "wait", "wait too"], [3] * 3))
    assert seen == [["child of cancel"], ["child of wait"], ["child of wait too"]]


def test_as_many_inputs_as_a_container_runs_can_be_in_threads() -> None:
    list(user_loop.in_threads.starmap([()] * 40))
    list(user_loop.in_anyios_threads.starmap([()] * 50))


def test_async_hooks_share_a_task_and_a_context_whose_values_inputs_see(tmp_path: Path) -> None:
    with user_loop.ends.run():
        hooked = user_loop.Hooked(path=str(tmp_path / "left"))
        assert (hooked.on_loop.remote(), hooked.on_thread.remote()) == ("ada", "ada")
    assert (tmp_path / "left").read_text() == "nobody"


def test_a_container_whose_task_group_failed_takes_no_more_inputs() -> None:
    failing = user_loop.Failing()
    first = failing.ask.remote(False)
    assert failing.ask.remote(True) == first
    wait_until(lambda: failing.ask.remote(False) != first, "another container")


@pytest.mark.parametrize(
    "digits", [user_loop.digits_alone, user_loop.digits_on_threads, user_loop.digits_in_tasks], ids=lambda it: it.name
)
def test_a_decimal_precision_is_that_of_the_input_that_set_it(digits: Any) -> None:
    assert list(digits.map([5, None, None])) == [5, 28, 28]


def test_a_decimal_precision_that_an_enter_hook_set_is_where_inputs_begin() -> None:
    precise = user_loop.Precise()
    assert list(precise.digits.map([None, 5, None])) == [50, 5, 50]


def test_a_sync_input_that_waits_for_the_loop_has_it_run_and_can_be_cancelled_meanwhile(
    tmp_path: Path,
) -> None:
    paused = user_loop.Paused()
    assert paused.ask_the_loop.remote(21) == 42
    with pytest.raises(TimeoutError):
        paused.ask_in_vain.remote(0.01, str(tmp_path / "first"))
    call = paused.ask_in_vain.spawn(None, str(tmp_path / "second"))
    wait_until((tmp_path / "second").exists)
    call.cancel()
    assert paused.ask_the_loop.remote(1) == 2
