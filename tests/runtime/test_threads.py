"""Threads for sync inputs: as many as needed, no more than slots, used again."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from motet.runtime.threads import SlotThreads


class Work:
    """Items that hold until they are let go, and the threads they ran on."""

    def __init__(self, limit: int) -> None:
        self.started: SimpleQueue[int] = SimpleQueue()
        self.ended: SimpleQueue[int] = SimpleQueue()
        self.gate = threading.Event()
        self.idents: list[int] = []
        self.names: list[str] = []
        self.threads: SlotThreads[int] = SlotThreads(self._run, limit)

    def _run(self, item: int) -> None:
        self.idents.append(threading.get_ident())
        self.names.append(threading.current_thread().name)
        self.started.put(item)
        assert self.gate.wait(5)
        self.ended.put(item)


def test_items_run_at_once_up_to_the_limit_and_the_rest_waits() -> None:
    work = Work(3)
    for item in range(5):
        work.threads.submit(item)
    assert {work.started.get(timeout=5) for _ in range(3)} == {0, 1, 2}
    assert work.started.empty()
    work.gate.set()
    assert {work.ended.get(timeout=5) for _ in range(5)} == set(range(5))
    assert len(set(work.idents)) == 3


def test_one_item_after_the_other_needs_hardly_more_than_one_thread() -> None:
    work = Work(100)
    work.gate.set()
    for item in range(50):
        work.threads.submit(item)
        work.ended.get(timeout=5)
    # An item may come in the moment between the end of the last one and its thread's being free.
    assert len(set(work.idents)) < 10


def test_threads_have_names_and_do_not_keep_the_process() -> None:
    work = Work(1)
    work.threads.submit(0)
    work.started.get(timeout=5)
    assert work.names == ["motet-slot-1"]
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("motet-slot"))
    work.gate.set()
    work.ended.get(timeout=5)
