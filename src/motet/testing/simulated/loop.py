"""The loop of a simulated world: virtual time, steps that belong to processes, and no threads."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable
from contextvars import Context
from typing import Any

from motet.testing.simulated.process import process_of
from motet.testing.virtual_loop import VirtualLoop

WALL = 1_800_000_000.0
"""What the wall clocks of a world say when it begins."""


class SimulatedLoop(VirtualLoop):
    """What is asked of a thread is done on the loop, `thread_delay()` seconds later, unless its process is dead by then.
    `failures` has what nobody handled."""

    def __init__(self, thread_delay: Callable[[], float]) -> None:
        super().__init__()
        self._thread_delay = thread_delay
        self.failures: list[str] = []
        self._tasks: list[asyncio.Task[Any]] = []
        """All there were: one of a dead process must not be collected, for then it would do what its `finally` says."""
        self.set_exception_handler(self._failed)

    def wall_time(self) -> float:
        """The wall clock of the process that asks."""
        process = process_of(None)
        return WALL + self.time() + (0.0 if process is None else process.wall_offset)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        """As usual, as a step of the process that it belongs to."""
        process = process_of(context)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        cell: list[Any] = []
        handle = super().call_soon(process.step, cell, callback, *args, context=context)
        cell.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`: one thing runs at a time here."""
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As usual, as a step of the process that it belongs to."""
        process = process_of(context)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        cell: list[Any] = []
        handle = super().call_at(when, process.step, cell, callback, *args, context=context)
        cell.append(handle)
        return handle

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Do it on the loop, a little later."""
        future: asyncio.Future[Any] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_later(self._thread_delay(), work)
        return future

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As usual."""
        task = super().create_task(coro, **options)
        self._tasks.append(task)
        return task

    def abandon(self) -> None:
        """Close it, whatever there is still to do. Nothing is made of what comes up in that."""
        failures = list(self.failures)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that a dead process had not begun
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _close(task.get_coro())
            self._tasks.clear()
        self.close()
        self.failures = failures

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context['message']}: {type(error).__name__}: {error}" if error else context["message"])


def _close(coroutine: Any) -> None:
    """End it, with those that it was to run and has not begun."""
    frame = getattr(coroutine, "cr_frame", None)
    inside = [] if frame is None else [each for each in frame.f_locals.values() if asyncio.iscoroutine(each)]
    for each in (coroutine, *inside):
        with contextlib.suppress(BaseException):
            each.close()
