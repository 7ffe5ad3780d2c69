"""Processes that fork, on either side of a call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import motet

app = motet.App("forks")
other = motet.App("others")


@app.function()
@motet.concurrent(max_inputs=10)
def double(x: int) -> int:
    return 2 * x


@other.function()
def triple(x: int) -> int:
    return 3 * x


def in_child(work: Callable[[], object]) -> str:
    """What `work` returns or raises in a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = repr(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def doubled(x: int) -> int:
    return double.remote(x)


def doubled_in_pool(inputs: list[int]) -> list[int]:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        return list(pool.map(doubled, inputs))


@app.function()
def fork_between_calls(x: int) -> list[Any]:
    return [double.remote(x), in_child(lambda: double.remote(x + 1)), double.remote(x + 2), doubled_in_pool([x + 3])]


@app.function()
@motet.concurrent(max_inputs=2)
async def fork_between_awaits(x: int) -> list[Any]:
    first = await double.remote.aio(x)
    return [first, in_child(lambda: asyncio.run(double.remote.aio(x + 1))), await double.remote.aio(x + 2)]
