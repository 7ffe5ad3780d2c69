"""The functions that are measured. Containers import this module, and it imports nothing that they do not have already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import motet

app = motet.App("benchmarks")


@app.function(max_containers=1)
def noop_alone(x: int) -> int:
    """Sync, one input at a time: on the container's main thread."""
    return x


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
def noop_threads(x: int) -> int:
    """Sync, up to 100 at once: on threads."""
    return x


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def noop_async(x: int) -> int:
    """Async, up to 100 at once: as tasks."""
    return x


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
def sleep_threads(seconds: float) -> None:
    """Wait, on a thread."""
    time.sleep(seconds)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def sleep_async(seconds: float) -> None:
    """Wait, in a task."""
    await asyncio.sleep(seconds)


@app.function(max_containers=8, scaledown_window=2)
@motet.concurrent(max_inputs=10)
def burst_threads(seconds: float) -> None:
    """Wait, on a thread; ten per container, and up to eight containers."""
    time.sleep(seconds)


@app.function(max_containers=8, scaledown_window=2)
@motet.concurrent(max_inputs=10)
async def burst_async(seconds: float) -> None:
    """Wait, in a task; ten per container, and up to eight containers."""
    await asyncio.sleep(seconds)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=64)
async def count_async(n: int) -> AsyncIterator[int]:
    """Small items as fast as they are taken, as a task."""
    for number in range(n):
        yield number


@app.function(max_containers=1)
@motet.concurrent(max_inputs=64)
def count_threads(n: int) -> Iterator[int]:
    """Small items as fast as they are taken, on a thread."""
    yield from range(n)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=64)
async def count_in_turns(n: int) -> AsyncIterator[int]:
    """One small item in each turn of the loop, as a task, as inputs that share a batch yield them."""
    for number in range(n):
        yield number
        await asyncio.sleep(0)
