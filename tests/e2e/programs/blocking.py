"""What the tests of the watchdog run: code that keeps others in its container from running, and code that does not."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import motet

app = motet.App("blocking")

MANY = 100_000_000
"""A sum of that many numbers, which lets go of the GIL at its end only, takes about a second."""


def block(seconds: float) -> None:
    time.sleep(seconds)


def hold_gil() -> None:
    sum(range(MANY))
    time.sleep(1.0)  # still there when the watchdog gets the GIL: another thread may be the first to get it


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def in_loop(seconds: float) -> None:
    """Blocks the loop for that long; 0: waits as it should, for long enough to be there meanwhile."""
    if seconds:
        await asyncio.sleep(0.1)
        block(seconds)
    else:
        await asyncio.sleep(1.5)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def in_task_of_its_own(seconds: float) -> None:
    async def inner() -> None:
        block(seconds)

    await asyncio.create_task(inner())


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def on_thread(hold: bool) -> None:
    if hold:
        time.sleep(0.2)
        hold_gil()
    else:
        time.sleep(2.0)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def on_thread_of_its_own(how: str) -> None:
    if how == "to_thread":
        await asyncio.to_thread(hold_gil)
    elif how == "executor":
        with ThreadPoolExecutor(1) as pool:
            await asyncio.wrap_future(pool.submit(hold_gil))
    else:
        thread = threading.Thread(target=hold_gil)
        thread.start()
        await asyncio.to_thread(thread.join)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=64)
async def polite(seconds: float) -> int:
    """Many short steps, threads that compute, and waits: nothing of it keeps others for long. Returns its process's id."""

    def compute() -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass

    busy = asyncio.create_task(asyncio.to_thread(compute))
    while not busy.done():
        for _ in range(5_000):
            pass
        await asyncio.sleep(0.005)
    return os.getpid()


@app.function(env={"MOTET_BLOCKED_AFTER": "soon"}, max_containers=1)
@motet.concurrent(max_inputs=2)
def misconfigured() -> None: ...
