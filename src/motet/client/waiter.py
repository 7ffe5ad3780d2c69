"""Waiting in two colours: a one-shot value set by the I/O thread, waited for by a thread or by a task."""

from __future__ import annotations

import asyncio
import builtins
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

block: Callable[[Waiter[Any]], bool] | None = None
"""How a thread waits for one, if not on a lock: where time is virtual, waiting makes it pass. True if the value came."""


class Waiter(Generic[T]):
    """A value that will be there once.

    `set` may come from any thread, any number of times (the first counts). One thread may `wait`, or one task
    `wait_async`; both raise the builtin `TimeoutError` after `timeout` seconds (None: never).
    """

    __slots__ = ("_lock", "_notify", "_set", "_value", "timeout")

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self._lock = threading.Lock()
        self._lock.acquire()
        self._notify: Callable[[], object] | None = None
        self._set = False
        self._value: T | None = None

    def set(self, value: T) -> None:
        if self._set:
            return
        self._value = value
        self._set = True
        try:  # noqa: SIM105 - `suppress` takes as long as all the rest
            self._lock.release()
        except RuntimeError:
            pass  # another thread was a moment faster
        if self._notify is not None:
            self._notify()

    def wait(self) -> T:
        """Block this thread until the value is there. Ctrl-C gets through."""
        if not self._set and not (self._acquire() if block is None else block(self)):
            raise builtins.TimeoutError(f"not there within {self.timeout} s")
        return cast(T, self._value)

    @property
    def is_set(self) -> bool:
        """The value is there."""
        return self._set

    def notify(self, on_set: Callable[[], object]) -> None:
        """Have `on_set` called when the value is there: now, or on the thread that sets it; twice if it comes just now."""
        self._notify = on_set
        if self._set:
            on_set()

    def _acquire(self) -> bool:
        return self._lock.acquire(timeout=-1 if self.timeout is None else self.timeout)

    async def wait_async(self) -> T:
        """Let other tasks run until the value is there."""
        if not self._set:
            loop = asyncio.get_running_loop()
            future = loop.create_future()

            def resolve() -> None:
                if not future.done():
                    future.set_result(None)

            def notify() -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(resolve)

            self._notify = notify
            if not self._set:
                async with asyncio.timeout(self.timeout):
                    await future
        return cast(T, self._value)
