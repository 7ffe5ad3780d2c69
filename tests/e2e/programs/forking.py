"""Functions that fork without an exec: what the child does when it comes back is none of the container's business."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Iterator

import motet

app = motet.App("forking")
forks = multiprocessing.get_context("fork")


def behave(way: str) -> str:
    """What the child does."""
    if way == "raises":
        raise ValueError("in the child")
    if way == "exits":
        sys.exit(3)
    return "from the child"


def end_of(child: int) -> int:
    """Its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_here(way: str) -> tuple[int, int]:
    """The exit code of the child, and the container's pid."""
    child = os.fork()
    if child == 0:
        return behave(way)  # type: ignore[return-value]
    return end_of(child), os.getpid()


@app.function(max_containers=1, timeout=20)
def alone(way: str) -> tuple[int, int]:
    return fork_here(way)


@app.function(max_containers=1, timeout=20)
@motet.concurrent(max_inputs=4)
def on_threads(way: str) -> tuple[int, int]:
    return fork_here(way)


@app.function(max_containers=1, timeout=20)
@motet.concurrent(max_inputs=4)
async def in_tasks(way: str) -> tuple[int, int]:
    await asyncio.sleep(0)
    child = os.fork()
    if child == 0:
        if way == "awaits":
            await asyncio.sleep(0)
        return behave(way)  # type: ignore[return-value]
    return end_of(child), os.getpid()


@app.function(max_containers=1, timeout=20)
@motet.concurrent(max_inputs=4)
async def in_a_task_of_its_own(way: str) -> tuple[int, int]:
    async def fork() -> tuple[int, int]:
        return fork_here(way)

    return await asyncio.create_task(fork())


@app.function(max_containers=1, timeout=20)
@motet.concurrent(max_inputs=4)
async def on_another_thread(way: str) -> tuple[int, int]:
    return await asyncio.to_thread(fork_here, way)


@app.function(max_containers=1, timeout=20)
def generate(way: str) -> Iterator[tuple[int, int]]:
    child = os.fork()
    if child == 0:
        behave(way)
        yield -1, -1
    yield end_of(child), os.getpid()


@app.function(max_containers=1, timeout=20)
@motet.concurrent(max_inputs=4)
async def generate_async(way: str) -> AsyncIterator[tuple[int, int]]:
    child = os.fork()
    if child == 0:
        behave(way)
        yield -1, -1
    yield end_of(child), os.getpid()


@app.function(max_containers=1, timeout=20)
@motet.batched(max_batch_size=1, wait_ms=0)
def in_a_batch(ways: list[str]) -> list[tuple[int, int]]:
    return [fork_here(way) for way in ways]


@app.cls(max_containers=1, timeout=20)
class Entering:
    @motet.enter()
    def fork(self) -> None:
        self.child = os.fork()

    @motet.method()
    def tell(self) -> tuple[int, int]:
        return end_of(self.child), os.getpid()


@app.function(max_containers=1, timeout=20)
def double(number: int) -> int:
    return 2 * number


def put_double(number: int, results: multiprocessing.Queue[int]) -> None:
    results.put(double.remote(number))


@app.function(max_containers=1, timeout=20)
def doubled_by_a_child(number: int) -> tuple[int, int]:
    """One by the container itself, one by a process that it forked after that."""
    own = double.remote(number)
    results = forks.Queue()
    child = forks.Process(target=put_double, args=(number, results))
    child.start()
    got = results.get(timeout=15)
    child.join()
    return own, got
