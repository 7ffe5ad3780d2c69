"""What a container that ends waits for, as any Python program does: its tasks, its threads, and the work of its pools."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from motet.runtime.attribution.own_tasks import every_task
from motet.runtime.cpython.threads import end_pools

MARGIN = 1.0
"""Seconds before the container is killed that it does not wait for others: it has handlers and last lines of its own."""
START_FAILED_PATIENCE = 1.0
"""Seconds that threads have in a container that could not start."""
SILENCE = 1.0
"""Seconds for which it waits without a word."""
_deadline: float | None = None
_servers: list[threading.Thread] = []


def allow(grace: float) -> None:
    """The container is killed in `grace` seconds from now. May be called from any thread."""
    global _deadline
    _deadline = time.monotonic() + max(grace - MARGIN, 0.0)


def leave_out_threads() -> None:
    """Do not wait for the threads that there are now: a server that serves in one of them never ends."""
    _servers.extend(_users_threads())


def patience() -> float:
    """Seconds that there are to wait for others."""
    return START_FAILED_PATIENCE if _deadline is None else max(_deadline - time.monotonic(), 0.0)


async def end_tasks(shutdown_asyncgens: Callable[[], Awaitable[None]]) -> None:
    """Cancel this loop's tasks, let them and its async generators run their `finally` blocks, and report what they raise."""
    loop, seconds = asyncio.get_running_loop(), patience()
    tasks = every_task() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            if tasks:
                await asyncio.wait(tasks)
            await shutdown_asyncgens()
    for task in tasks:
        _report(loop, task)


def _report(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    if not task.done():
        _say(f"the task {task.get_name()!r} did not end when it was cancelled, and was given up")
    elif not task.cancelled() and (error := task.exception()) is not None:
        message = "unhandled exception as the container ended"
        loop.call_exception_handler({"message": message, "exception": error, "task": task})


def end_threads() -> None:
    """Wait for what `concurrent.futures` still has to do and for threads that are no daemons, as long as may be."""
    over = threading.Event()
    # On a daemon: none of these waits has a timeout.
    threading.Thread(target=_wait_for_threads, args=(over,), name="motet-leaving", daemon=True).start()
    if over.wait(min(SILENCE, patience())):
        return
    seconds = patience()
    if seconds > 0:
        _say(f"the container waits for its threads, for {seconds:.0f} s at most: {_names()}")
    if not over.wait(seconds):
        _say(f"threads that still ran when the time to stop was over were given up: {_names()}")


def _wait_for_threads(over: threading.Event) -> None:
    end_pools()
    while threads := _users_threads():
        for thread in threads:
            thread.join()
    over.set()


def _names() -> str:
    return ", ".join(sorted(thread.name for thread in _users_threads())) or "those of pools"


def _users_threads() -> list[threading.Thread]:
    left_out = [threading.main_thread(), *_servers]
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in left_out]


def _say(what: str) -> None:
    print(f"motet: {what}.", file=sys.stderr, flush=True)
