"""Calls from places where blocking is delicate: they work or say why not, and nothing hangs."""

from __future__ import annotations

import asyncio
import gc
import queue
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import motet
from motet.exception import ConnectionError, ExecutionError
from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs import calling
from tests.e2e.programs.calling import app

PATIENCE = 60
talking = motet.App("talking")


@talking.function(serialized=True)
def say(text: str) -> None:
    print(text)


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[None]:
    with app.run(), talking.run():
        yield
    assert_nothing_left()


def use_queue() -> object:
    items = motet.Queue.from_name("from-anywhere")
    items.put(3)
    return items.get(timeout=PATIENCE)


WAYS: dict[str, Callable[[], object]] = {
    "remote": lambda: calling.square.remote(3),
    "map": lambda: list(calling.square.map([1, 2])),
    "for_each": lambda: calling.square.for_each([1]),
    "remote_gen": lambda: list(calling.count.remote_gen(2)),
    "spawn": lambda: calling.square.spawn(2).get(),
    "spawn_map": lambda: list(calling.square.experimental_spawn_map([1, 2]).iter()),
    "gather": lambda: motet.FunctionCall.gather(calling.square.spawn(1), calling.square.spawn(2)),
    "cancel": lambda: calling.square.spawn(1).cancel(),
    "stats": lambda: calling.square.get_current_stats().backlog,
    "queue": use_queue,
}
EXPECTED = {
    "remote": 9,
    "map": [1, 4],
    "for_each": None,
    "remote_gen": [0, 1],
    "spawn": 4,
    "spawn_map": [1, 4],
    "gather": [1, 4],
    "cancel": None,
    "stats": 0,
    "queue": 3,
}


def outcomes() -> dict[str, object]:
    """What each way gives, or raises."""
    found: dict[str, object] = {}
    for name, way in WAYS.items():
        try:
            found[name] = way()
        except Exception as error:
            found[name] = error
    return found


def on_thread(work: Callable[[], object]) -> Any:
    """What `work` returns on another thread; fails if it hangs."""
    results: queue.SimpleQueue[object] = queue.SimpleQueue()
    threading.Thread(target=lambda: results.put(work()), daemon=True).start()
    return results.get(timeout=PATIENCE)


def test_a_thread_beside_a_loop_calls_in_every_way() -> None:
    async def scene() -> Any:
        return await asyncio.to_thread(on_thread, outcomes)

    assert asyncio.run(scene()) == EXPECTED


def test_one_handle_serves_loop_after_loop_and_loops_side_by_side() -> None:
    async def scene() -> list[Any]:
        mapped = [x async for x in calling.square.map.aio([1, 2])]
        return [await calling.square.remote.aio(3), mapped, await (await calling.square.spawn.aio(2)).get.aio()]

    both = threading.Barrier(2)

    def with_the_other() -> object:
        both.wait(PATIENCE)
        return asyncio.run(scene())

    beside: queue.SimpleQueue[object] = queue.SimpleQueue()
    threading.Thread(target=lambda: beside.put(with_the_other()), daemon=True).start()
    assert [with_the_other(), beside.get(timeout=PATIENCE), asyncio.run(scene())] == [[9, [1, 4], 4]] * 3


def test_a_signal_handler_calls_in_every_way_while_a_call_is_under_way(tmp_path: Any) -> None:
    found: list[dict[str, object]] = []

    def handle(*_: object) -> None:
        found.append(outcomes())
        (tmp_path / "open").touch()

    usual = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert calling.hold.remote(str(tmp_path), 1) == 1
    finally:
        signal.signal(signal.SIGALRM, usual)
    assert found == [EXPECTED]


def test_a_finalizer_calls_in_every_way() -> None:
    found: list[dict[str, object]] = []

    class Finalized:
        def __init__(self) -> None:
            self.me = self  # for the garbage collector

        def __del__(self) -> None:
            found.append(outcomes())

    Finalized()
    gc.collect()
    assert found == [EXPECTED]


def test_on_the_thread_that_brings_the_answers_a_blocking_call_says_that_it_would_wait_for_itself() -> None:
    results: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
    assert talking.running is not None

    def listen(_: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a loop runs on that thread
            results.put(outcomes())

    talking.running.on_output(listen)
    try:
        say.remote("something to listen to")
        found = results.get(timeout=PATIENCE)
    finally:
        talking.running.on_output(None)
    assert {name: type(outcome) for name, outcome in found.items()} == dict.fromkeys(WAYS, ExecutionError)
    assert "would wait for itself" in str(found["remote"])
    assert calling.square.remote(3) == 9


def test_what_an_ended_app_left_says_so() -> None:
    other = motet.App("ended")

    @other.function(serialized=True)
    def twice(x: int) -> int:
        return 2 * x

    with other.run():
        results = twice.map(range(2000))
        assert next(results) == 0
        call = twice.spawn(1)
    for work in (lambda: twice.remote(1), lambda: list(twice.map([1])), lambda: twice.spawn(1)):
        with pytest.raises(ExecutionError, match="its app is not running"):
            work()
    with pytest.raises(motet.exception.Error, match=r"app .* stopped"):
        list(results)
    with pytest.raises(motet.exception.NotFoundError):
        call.get(timeout=PATIENCE)


def test_at_the_interpreters_end_calls_work_or_say_that_the_server_has_stopped() -> None:
    program = [sys.executable, "-m", "tests.e2e.programs.called_at_exit"]
    ended = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    stopped = f"{ConnectionError.__name__} the embedded server has stopped"
    assert ended.stdout.splitlines() == ["thread 2", "later handler 2", f"earlier handler {stopped}"]
