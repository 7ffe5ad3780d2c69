"""Functions that lower how many inputs their container runs at once."""

from __future__ import annotations

import asyncio
import threading
import time

import motet
import motet.experimental

app = motet.App("local-limits")
running = 0
most = 0
lock = threading.Lock()


def begin(limit: int) -> None:
    global running, most
    motet.experimental.set_local_input_concurrency(limit)
    with lock:
        running += 1
        most = max(most, running)


def end() -> int:
    global running
    with lock:
        running -= 1
    return most


@app.function(max_containers=1)
@motet.concurrent(max_inputs=6, target_inputs=3)
def on_threads(limit: int) -> int:
    begin(limit)
    time.sleep(0.02)
    return end()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=6, target_inputs=3)
async def in_tasks(limit: int) -> int:
    begin(limit)
    await asyncio.sleep(0.02)
    return end()


@app.function()
@motet.concurrent(max_inputs=4)
def ask(limit: int) -> int:
    motet.experimental.set_local_input_concurrency(limit)
    return motet.experimental.get_local_input_concurrency()
