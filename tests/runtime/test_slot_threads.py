"""The threads that run sync inputs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import pytest

from motet.runtime.threads import SlotThreads

TIMEOUT = 10


def _run(work: Callable[[], None]) -> None:
    work()


def test_items_run_side_by_side_up_to_the_limit() -> None:
    threads = SlotThreads(_run, 3)
    together = threading.Barrier(3)
    met: SimpleQueue[int] = SimpleQueue()
    for _ in range(3):
        threads.submit(lambda: met.put(together.wait(TIMEOUT)))
    assert sorted(met.get(timeout=TIMEOUT) for _ in range(3)) == [0, 1, 2]


def test_a_thread_whose_work_raises_says_so_and_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    threads = SlotThreads(_run, 1)
    idents: SimpleQueue[int] = SimpleQueue()
    for error in (ValueError("one"), SystemExit("two"), KeyboardInterrupt("three")):
        threads.submit(partial(_raise, error))
        threads.submit(lambda: idents.put(threading.get_ident()))
    assert len({idents.get(timeout=TIMEOUT) for _ in range(3)}) == 1
    told = capfd.readouterr().err
    assert all(word in told for word in ("ValueError: one", "SystemExit: two", "KeyboardInterrupt: three"))


def _raise(error: BaseException) -> None:
    raise error


def test_threads_are_named_daemons_and_reused() -> None:
    threads = SlotThreads(_run, 2)
    seen: SimpleQueue[tuple[str, bool, int]] = SimpleQueue()

    def look() -> None:
        thread = threading.current_thread()
        seen.put((thread.name, thread.daemon, threading.get_ident()))

    names, idents = set(), set()
    for _ in range(20):
        threads.submit(look)
        name, daemon, ident = seen.get(timeout=TIMEOUT)
        assert daemon
        names.add(name)
        idents.add(ident)
    assert names <= {"motet-slot-1", "motet-slot-2"}
    assert len(idents) <= 2
