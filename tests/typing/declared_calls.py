"""What a type checker must make of declared functions and classes; never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import motet

app = motet.App("typed")


@app.function()
def sync(x: int, *, scale: float = 1.0) -> str:
    return str(x * scale)


@app.function()
@motet.concurrent(max_inputs=10)
async def asynchronous(x: int) -> list[int]:
    return [x]


@app.function()
@motet.batched(max_batch_size=4, wait_ms="auto")
def batched(x: list[int]) -> list[str]:
    return [str(it) for it in x]


@app.cls()
class BatchedModel:
    @motet.batched(max_batch_size=4, wait_ms=10)
    def predict(self, x: list[int]) -> list[str]:
        return [str(it) for it in x]


@app.function()
def generate(n: int) -> Iterator[int]:
    yield n


@app.cls()
@motet.concurrent(max_inputs=10)
class Model:
    size: int = motet.parameter(default=1)

    @motet.enter()
    def load(self) -> None: ...

    @motet.method()
    def predict(self, x: int) -> float:
        return float(x * self.size)

    @motet.method()
    async def predict_async(self, x: int) -> bytes:
        return bytes(x)

    @motet.exit()
    async def unload(self) -> None: ...


@app.local_entrypoint()
def main(n: int = 1) -> None: ...


def calls() -> None:
    assert_type(sync.remote(1, scale=2.0), str)
    assert_type(asynchronous.remote(1), list[int])
    assert_type(list(sync.map([1, 2])), list[str])
    batched.remote(1)  # callers pass single values
    BatchedModel().predict.remote(1)
    assert_type(list(asynchronous.starmap([(1,)], order_outputs=False)), list[list[int]])
    assert_type(sync.spawn(1), motet.FunctionCall[str])
    assert_type(sync.spawn(1).get(timeout=1), str)
    assert_type(asynchronous.spawn(1).get(), list[int])
    assert_type(list(asynchronous.experimental_spawn_map([1]).iter()), list[list[int]])
    assert_type(sync.with_options(timeout=3).remote(1), str)
    assert_type(sync.with_concurrency(max_inputs=3).remote(1), str)
    # pyright reads the constructor from `App.cls`; mypy does not follow such a decorator through an object.
    sized = Model(size=3)  # type: ignore[call-arg]
    assert_type(sized.predict.remote(1), float)
    assert_type(Model().predict_async.remote(1), bytes)
    assert_type(list(Model().predict.map([1])), list[float])
    assert_type(Model().predict.spawn(1).get(), float)
    items: Iterator[Any] = generate.remote_gen(3)
    print(items, sync.get_current_stats().backlog, main(n=3))


async def async_calls() -> None:
    assert_type(await sync.remote.aio(1), str)
    assert_type(await asynchronous.remote.aio(1), list[int])
    assert_type([x async for x in sync.map.aio([1])], list[str])
    assert_type(await (await sync.spawn.aio(1)).get.aio(), str)
    assert_type(await Model().predict_async.remote.aio(1), bytes)
    items: AsyncIterator[Any] = generate.remote_gen.aio(3)
    print(items)
    async with app.run():
        pass


def mistakes() -> None:
    sync.remote("x")  # type: ignore[arg-type]
    sync.remote()  # type: ignore[call-arg]
    sync(1)  # type: ignore[operator]
    asynchronous.remote(1, 2)  # type: ignore[call-arg]
    Model().predict.remote("x")  # type: ignore[arg-type]
    motet.concurrent(10)  # type: ignore[arg-type, call-arg]
    generate.remote_gen("x")  # type: ignore[arg-type]
