"""Sync code beside an event loop, one step at a time: either the loop runs or one of its threads, never two at once."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

from motet.testing.virtual_loop import VirtualLoop


class SteppedThread:
    """Runs `work` on a thread that has the world to itself until it parks or ends. So threads take turns in one order only.

    All methods but `park` are called on the loop's thread. `work` must not raise.
    """

    def __init__(self, loop: VirtualLoop, work: Callable[[], None]) -> None:
        self._loop = loop
        self._work = work
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._parked = 0
        self._raised: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._main,), name="motet-stepped", daemon=True)

    def start(self) -> None:
        """Run it until it parks or ends."""
        self._thread.start()
        self._step()

    def throw(self, error: BaseException) -> None:
        """Raise in it where it is parked. If it has ended, nothing happens."""
        if self._parked:
            self._raised = error
            self._wake(self._parked)

    def park(self, until: Callable[[Callable[[], object]], None] | None = None, seconds: float | None = None) -> None:
        """On the thread itself: let others run until `until`'s callback was called, or virtual seconds have passed."""
        _tickets.last += 1
        ticket = self._parked = _tickets.last
        if seconds is not None:
            self._loop.call_later(seconds, self._wake, ticket)
        if until is not None:
            until(lambda: self._loop.call_soon(self._wake, ticket))
        self._back.release()
        self._go.acquire()
        if self._raised is not None:
            error, self._raised = self._raised, None
            raise error

    def _wake(self, ticket: int) -> None:
        """A ticket is for one time of parking: what else would have ended it comes too late."""
        if self._parked == ticket:
            self._parked = 0
            self._step()

    def _step(self) -> None:
        self._go.release()
        self._back.acquire()

    def _main(self) -> None:
        self._go.acquire()
        _here.thread = self
        try:
            self._work()
        finally:
            self._back.release()


class _Tickets:
    last = 0


class _ThisThread(threading.local):
    thread: SteppedThread | None = None


_tickets = _Tickets()
_here = _ThisThread()


def current_stepped() -> SteppedThread | None:
    """The stepped thread that this code runs on."""
    return _here.thread
