"""An event loop on virtual time: it stands still while there is something to do, and jumps to the next timer when not."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

REAL_PATIENCE = 60.0
"""Real seconds that a thread outside (`asyncio.to_thread`) may take."""

LONGEST = 366 * 24 * 3600.0
"""Virtual seconds after which whatever is awaited will not come any more."""


class DeadlockError(AssertionError):
    """What a test waits for cannot happen: nothing is under way, or nothing but timers for a year."""


class _Selector(selectors.DefaultSelector):
    """Instead of sleeping until a timer is due, makes it due. While threads outside work, it waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.outside = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.outside:
            return super().select(REAL_PATIENCE)
        if timeout is None:
            raise DeadlockError(
                "this waits for something that nobody is going to do: no task can run, and no timer is set"
            )
        self.now += timeout
        if self.now > LONGEST:
            raise DeadlockError("this waits for something that has not happened in a virtual year")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0 and moves only when every task waits."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def skip(self, seconds: float) -> None:
        """Let time pass with nothing happening, as when code blocks the loop."""
        self._virtual.now += seconds

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As usual; time stands still until the thread is done."""
        future = super().run_in_executor(executor, func, *args)
        self._virtual.outside += 1
        future.add_done_callback(self._came_back)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        """As usual: another thread waits for those of the executor."""
        self._virtual.outside += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._virtual.outside -= 1

    def _came_back(self, _: object) -> None:
        self._virtual.outside -= 1
