"""One input that never lets go of the event loop of its container, and those behind it."""

from __future__ import annotations

import asyncio
import time

import motet

app = motet.App("poisoned")


@app.function(max_containers=1, timeout=1, cancellation_grace=0.5, startup_timeout=60)
@motet.concurrent(max_inputs=20)
async def work(number: int) -> int:
    if number == 0:
        while True:
            time.sleep(0.05)  # noqa: ASYNC251
    await asyncio.sleep(0)
    return number


@app.function(max_containers=1, timeout=4, startup_timeout=60)
@motet.concurrent(max_inputs=20)
async def slow(number: int) -> int:
    if number == 0:
        time.sleep(1.5)  # noqa: ASYNC251
    await asyncio.sleep(0)
    return number
