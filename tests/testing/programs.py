"""An app for tests of the test kit."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Iterator

import motet

app = motet.App("programs")
tries: list[str] = []
hooks: list[str] = []


@app.function()
def square(x: int) -> int:
    return x * x


@app.function(retries=motet.Retries(max_retries=3, initial_delay=60.0, backoff_coefficient=1.0))
def flaky(x: int) -> int:
    tries.append("try")
    if len(tries) < 4:
        raise ConnectionResetError("not yet")
    return x


@app.function(timeout=10)
async def slow_async(seconds: float) -> str:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        tries.append("cancelled")
        raise
    return "done"


@app.function(timeout=10)
@motet.concurrent(max_inputs=5)
def slow_sync(seconds: float) -> str:
    try:
        time.sleep(seconds)
    except motet.exception.InputCancellation:
        tries.append("cancelled")
        raise
    return "done"


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def ten(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@app.function()
def nested(x: int) -> int:
    return sum(square.map(range(x))) + square.remote(x)


@app.function()
async def nested_async(x: int) -> int:
    return await square.remote.aio(x) + 1


@app.function()
def count(n: int) -> Iterator[int]:
    for i in range(n):
        time.sleep(1)
        yield i


@app.function()
async def count_async(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(1)
        yield i


@app.function()
def many_items(n: int) -> Iterator[int]:
    for i in range(n):
        tries.append("made")
        yield i


@app.function()
async def many_items_async(n: int) -> AsyncIterator[int]:
    for i in range(n):
        tries.append("made")
        yield i


@app.function()
@motet.batched(max_batch_size=3, wait_ms=2000)
async def sums(a: list[int], b: list[int]) -> list[int]:
    tries.append(f"batch of {len(a)}")
    return [x + y for x, y in zip(a, b, strict=True)]


@app.cls(scaledown_window=30)
class Greeter:
    greeting: str = motet.parameter(default="hello")

    @motet.enter()
    def begin(self) -> None:
        hooks.append("enter")

    @motet.method()
    def greet(self, name: str) -> str:
        return f"{self.greeting} {name}"

    @motet.exit()
    async def end(self) -> None:
        await asyncio.sleep(1)
        hooks.append("exit")


tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


@app.cls(scaledown_window=30)
class Opened:
    @motet.enter()
    async def open(self) -> None:
        self.task, self.token = asyncio.current_task(), tenant.set("ada")

    @motet.method()
    async def on_loop(self) -> str:
        return tenant.get()

    @motet.method()
    def on_thread(self) -> str:
        return tenant.get()

    @motet.exit()
    async def close(self) -> None:
        tenant.reset(self.token)
        hooks.append("same task" if asyncio.current_task() is self.task else "another task")


@app.function()
def broken() -> None:
    raise ValueError("broken")
