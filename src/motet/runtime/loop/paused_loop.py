"""Waiting, on the main thread, for what was handed to the loop that stands still while this thread runs an input."""

from __future__ import annotations

import asyncio
import builtins
import functools
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from motet.client.gate import shield_cancellation
from motet.runtime.loop.user_loop import UserLoop

LOOK = 0.05
"""Seconds after which it looks whether the input was cancelled meanwhile: that must not be raised in other code of the loop."""


def install(user_loop: Callable[[], UserLoop | None]) -> None:
    """Have futures of `asyncio.run_coroutine_threadsafe` run the container's loop while the main thread waits for one.

    A sync input that runs alone has the main thread, and so the loop of the container's hooks waits for it: without this
    each would wait for the other, silently. Once, before user code is imported.
    """
    submit = asyncio.run_coroutine_threadsafe

    @functools.wraps(submit)
    def run_coroutine_threadsafe(coro: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Future[Any]:
        future = submit(coro, loop)
        ours = user_loop()
        if ours is not None and loop is ours.loop:
            future.__class__ = _LoopFuture
            future.user_loop = ours  # type: ignore[attr-defined]
        return future

    # Under both names, either of which user code may import.
    asyncio.run_coroutine_threadsafe = asyncio.tasks.run_coroutine_threadsafe = run_coroutine_threadsafe


class _LoopFuture(Future[Any]):
    """Runs the loop while it is waited for."""

    user_loop: UserLoop

    def result(self, timeout: float | None = None) -> Any:
        return super().result(self._waited(timeout))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        return super().exception(self._waited(timeout))

    def _waited(self, timeout: float | None) -> float | None:
        """What is left of the timeout: all of it where the loop runs elsewhere."""
        loop = self.user_loop.loop
        if self.done() or loop.is_running() or threading.current_thread() is not threading.main_thread():
            return timeout
        self.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done():
            left = LOOK if deadline is None else min(LOOK, deadline - time.monotonic())
            if left <= 0:
                raise builtins.TimeoutError
            with shield_cancellation():
                look = loop.call_later(left, loop.stop)
                self.user_loop.turn()
                look.cancel()
        return 0
