"""A function whose pool learns how many inputs a container is to run."""

from __future__ import annotations

import asyncio

import motet

app = motet.App("auto-target")


@app.function(scaledown_window=2)
@motet.concurrent(max_inputs=16, target_inputs="auto")
async def wait(number: int) -> int:
    await asyncio.sleep(0.03)
    return number
