"""Threads for sync inputs: as many as needed, no more than slots, used again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import pytest

from motet.runtime.slot_threads import SlotThreads

TIMEOUT = 10


def _run(work: Callable[[], None]) -> None:
    work()


class Work:
    """Items that hold until they are let go, and the threads they ran on."""

    def __init__(self, limit: int) -> None:
        self.started: SimpleQueue[int] = SimpleQueue()
        self.ended: SimpleQueue[int] = SimpleQueue()
        self.gate = threading.Event()
        self.idents: list[int] = []
        self.threads: SlotThreads[int] = SlotThreads(self._run, limit)

    def _run(self, item: int) -> None:
        self.idents.append(threading.get_ident())
        self.started.put(item)
        assert self.gate.wait(TIMEOUT)
        self.ended.put(item)


def test_items_run_at_once_up_to_the_limit_and_the_rest_waits() -> None:
    work = Work(3)
    for item in range(5):
        work.threads.submit(item)
    assert {work.started.get(timeout=TIMEOUT) for _ in range(3)} == {0, 1, 2}
    assert work.started.empty()
    work.gate.set()
    assert {work.ended.get(timeout=TIMEOUT) for _ in range(5)} == set(range(5))
    assert len(set(work.idents)) == 3


def test_one_item_after_the_other_needs_hardly_more_than_one_thread() -> None:
    work = Work(100)
    work.gate.set()
    for item in range(50):
        work.threads.submit(item)
        work.ended.get(timeout=TIMEOUT)
    # An item may come in the moment between the end of the last one and its thread's being free.
    assert len(set(work.idents)) < 10


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
