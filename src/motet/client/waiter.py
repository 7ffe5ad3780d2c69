"""Waiting in two colours: a one-shot value set by the I/O thread, waited for by a thread or by a task."""

from __future__ import annotations

import builtins
import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from motet.client.forks import in_forked_child
from motet.errors import ExecutionError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

_new_lock = threading.Lock
"""As it was at the start: what gevent puts in its place cannot be released by the I/O thread."""

_get_ident = threading.get_ident
_LOOK_INTERVAL = 0.5
"""Seconds after which the main thread sees a signal that did not wake it: one that came just before it blocked, or that another
thread was sent."""
_io_threads: set[int] = set()
# A thread of the child may get the number of one that the parent has.
in_forked_child(_io_threads.clear)


@contextlib.contextmanager
def io_thread() -> Iterator[None]:
    """This thread is one that sets waiters: meanwhile nothing waits for one here, but raises `ExecutionError`."""
    _io_threads.add(_get_ident())
    try:
        yield
    finally:
        _io_threads.discard(_get_ident())


block: Callable[[Waiter[Any]], bool] | None = None
"""How a thread waits for one, if not on a lock: where time is virtual, waiting makes it pass. True if the value came."""


class _LoopWakes:
    """Wakes tasks of one event loop from other threads: those that are due at about the same time with one call into it.

    That call takes a lock and writes to a pipe, and a turn of the server may have something for a hundred tasks.
    """

    __slots__ = ("_due", "_scheduled", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._due: deque[asyncio.Future[None]] = deque()
        self._scheduled = False

    def wake(self, future: asyncio.Future[None]) -> None:
        self._due.append(future)
        if not self._scheduled:
            # A lost race schedules twice, which costs a wake-up; a future left out would cost everything.
            self._scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits on it any more
                self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        self._scheduled = False
        due = self._due
        while due:
            future = due.popleft()
            if not future.done():
                future.set_result(None)


class _Notice:
    """In place of a loop's: whoever waits wants to be called."""

    __slots__ = ("_on_set",)

    def __init__(self, on_set: Callable[[], object]) -> None:
        self._on_set = on_set

    def wake(self, _: object) -> None:
        self._on_set()


_of_thread = threading.local()


def _wakes_of(loop: asyncio.AbstractEventLoop) -> _LoopWakes:
    """Those of the loop that runs on this thread."""
    wakes: _LoopWakes | None = getattr(_of_thread, "wakes", None)
    if wakes is None or wakes.loop is not loop:
        wakes = _of_thread.wakes = _LoopWakes(loop)
    return wakes


class Waiter(Generic[T]):
    """A value that will be there once.

    `set` may come from any thread, any number of times (the first counts). One thread may `wait`, or one task
    `wait_async`; both raise the builtin `TimeoutError` after `timeout` seconds (None: never).
    """

    __slots__ = ("_lock", "_set", "_value", "_waits", "timeout")

    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout
        self._lock = _new_lock()
        self._lock.acquire()
        self._waits: tuple[_LoopWakes, asyncio.Future[None]] | tuple[_Notice, None] | None = None
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
        if self._waits is not None:
            wakes, future = self._waits
            wakes.wake(future)  # type: ignore[arg-type]

    def wait(self) -> T:
        """Block this thread until the value is there. Ctrl-C gets through."""
        if not self._set and not (self._acquire() if block is None else block(self)):
            raise builtins.TimeoutError(f"not there within {self.timeout} s")
        return self._value  # type: ignore[return-value]  # it is set: `cast` would be one more call

    @property
    def is_set(self) -> bool:
        """The value is there."""
        return self._set

    def notify(self, on_set: Callable[[], object]) -> None:
        """Have `on_set` called when the value is there: now, or on the thread that sets it; twice if it comes just now."""
        self._waits = (_Notice(on_set), None)
        if self._set:
            on_set()

    def _acquire(self) -> bool:
        if _get_ident() in _io_threads:
            raise ExecutionError(
                "a blocking call was made on Motet's own thread, where it would wait for itself: by a listener for output, or "
                "by a `__del__` that the garbage collector ran there. Have another thread make it."
            )
        timeout = math.inf if self.timeout is None else self.timeout
        if _get_ident() != threading.main_thread().ident:
            return self._lock.acquire(timeout=-1 if timeout == math.inf else timeout)
        while timeout > _LOOK_INTERVAL:
            if self._lock.acquire(timeout=_LOOK_INTERVAL):
                return True
            timeout -= _LOOK_INTERVAL
        return self._lock.acquire(timeout=timeout)

    async def wait_async(self) -> T:
        """Let other tasks run until the value is there."""
        if not self._set:
            import asyncio  # late: who waits in threads alone does without it

            loop = asyncio.get_running_loop()
            future = loop.create_future()
            self._waits = (_wakes_of(loop), future)
            if not self._set:
                if self.timeout is None:
                    await future
                else:
                    async with asyncio.timeout(self.timeout):
                        await future
        return self._value  # type: ignore[return-value]
