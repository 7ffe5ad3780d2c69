"""What the tests of calling call."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import motet
from tests.e2e.programs.gates import stand_async

library = motet.App("calling-library")
app = motet.App("calling")
app.include(library)


class Odd(Exception):
    """Takes two arguments, so a plain pickle of it does not come back."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} is not {right}")


@library.function()
@motet.concurrent(max_inputs=50)
async def twice(x: int) -> int:
    return 2 * x


@app.function(max_containers=2)
@motet.concurrent(max_inputs=50)
def square(x: int, plus: int = 0) -> int:
    return x * x + plus


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
async def add(x: int, y: int = 0) -> int:
    return x + y


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
async def check(x: object) -> object:
    """Itself, None for 0; raises for what is no number."""
    if not isinstance(x, int):
        raise ValueError(f"no number: {x}")
    return x or None


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def hold(gate: str, name: object) -> object:
    await stand_async(gate, name)
    return name


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def hold_unless(gate: str, name: int, failing: int) -> int:
    if name == failing:
        raise LookupError(f"input {name} fails")
    await stand_async(gate, name)
    return name


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def hold_first(gate: str, index: int) -> int:
    """Input 0 waits at the gate, the others go through."""
    if index == 0:
        await stand_async(gate, index)
    return index


@app.function(max_containers=1)
def keywords(**values: int) -> dict[str, int]:
    return values


@app.function(max_containers=1)
def items_of(**values: int) -> Iterator[tuple[str, int]]:
    yield from values.items()


@app.function()
def odd(left: int, right: int) -> None:
    raise Odd(left, right)


@app.function()
def divide(a: int, b: int) -> float:
    return a / b


@app.function()
def pid() -> int:
    return os.getpid()


@app.function()
def count(n: int) -> Iterator[int]:
    yield from range(n)


@app.function()
@motet.concurrent(max_inputs=10)
async def count_async(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


# --- nested -----------------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
def nested_sync(n: int) -> tuple[int, list[int], list[int]]:
    return square.remote(n), list(square.map(range(n))), list(count.remote_gen(n))


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def nested_async(n: int) -> tuple[int, list[int], list[int], int]:
    mapped = [x async for x in square.map.aio(range(n))]
    streamed = [x async for x in count_async.remote_gen.aio(n)]
    call = await square.spawn.aio(n)
    return await twice.remote.aio(n), mapped, streamed, await call.get.aio()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def nested_failure() -> float:
    return divide.remote(1, 0)


@app.function(max_containers=1)
def collect(call: motet.FunctionCall[int]) -> int:
    """A call's handle travels, and is asked elsewhere."""
    return call.get()


@app.function(max_containers=1)
def call_given(function: motet.Function[[int], int], x: int) -> int:
    return function.remote(x)


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=4)
class Account:
    owner: str = motet.parameter(default="nobody")
    start: int = motet.parameter(default=0)

    @motet.enter()
    def open(self) -> None:
        self.balance = self.start

    @motet.method()
    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @motet.method()
    async def describe(self) -> tuple[str, int, int]:
        return self.owner, self.balance, os.getpid()

    @motet.method()
    def deposit_twice(self, amount: int) -> int:
        self.deposit.local(amount)
        return self.deposit(amount)

    @motet.method()
    def history(self, n: int) -> Iterator[int]:
        for i in range(n):
            yield self.balance + i


@app.function(max_containers=1)
def handles() -> tuple[object, ...]:
    """Handles of all kinds, made in a container."""
    thing = Account(owner="returned", start=5)
    queue = motet.Queue.from_name("calling-handles")
    queue.put("from there")
    return square, Account, thing, thing.deposit, square.spawn(4), app, queue
