"""What the tests of batching run: functions that tell which inputs came together."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import motet
from tests.e2e.programs.gates import stand, stand_async

app = motet.App("batching")


@app.function(max_containers=1)
@motet.batched(max_batch_size=4, wait_ms=30_000)
def together(x: list[int], y: list[int]) -> list[tuple[int, list[int], str | None]]:
    """Leaves when it is full: the window is longer than any test."""
    return [(a + b, x, motet.current_input_id()) for a, b in zip(x, y, strict=True)]


@app.function(max_containers=1)
@motet.batched(max_batch_size=100, wait_ms=50)
def sizes(x: list[Any]) -> list[int]:
    return [len(x)] * len(x)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
@motet.batched(max_batch_size=2, wait_ms=30_000)
def gated(name: list[str], gate: list[str]) -> list[str]:
    stand(gate[0], "+".join(sorted(name)))
    return [it.upper() for it in name]


@app.function(max_containers=1)
@motet.batched(max_batch_size=2, wait_ms=30_000)
async def gated_async(name: list[str], gate: list[str]) -> list[str]:
    await stand_async(gate[0], "+".join(sorted(name)))
    return [it.upper() for it in name]


@app.function(max_containers=1)
@motet.batched(max_batch_size=2, wait_ms=30_000)
def gated_alone(name: list[str], gate: list[str]) -> list[str]:
    stand(gate[0], "+".join(sorted(name)))
    return [it.upper() for it in name]


@app.function(max_containers=1)
@motet.batched(max_batch_size=2, wait_ms=100)
def wrong(what: list[str]) -> Any:
    match what[0]:
        case "no list":
            return "ab"
        case "too long":
            return [1, 2, 3]
        case "raise":
            raise KeyError("in the batch")
    return [os.getpid()] * len(what)


@app.function(max_containers=1, retries=motet.Retries(max_retries=2, initial_delay=0.0))
@motet.batched(max_batch_size=3, wait_ms=200)
def fails_first(name: list[str], directory: list[str]) -> list[str]:
    for each, where in zip(name, directory, strict=True):
        path = os.path.join(where, each)
        if not os.path.exists(path):
            open(path, "w").close()
            raise ValueError(f"{each} fails once")
    return name


@app.function(max_containers=1)
@motet.batched(max_batch_size=3, wait_ms=300)
def some_kill(name: list[str]) -> list[str]:
    if "killer" in name:
        os._exit(3)
    return name


@app.function(max_containers=1, timeout=0.4)
@motet.batched(max_batch_size=2, wait_ms=30_000)
async def slow(x: list[int]) -> list[int]:
    await asyncio.sleep(60)
    return x


@app.function(max_containers=1)
@motet.batched(max_batch_size=64, wait_ms="auto")
def learned(x: list[int]) -> list[int]:
    return [it * 2 for it in x]


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=2)
class Model:
    factor: int = motet.parameter(default=2)

    @motet.enter()
    def load(self) -> None:
        self.loaded = True

    @motet.batched(max_batch_size=3, wait_ms=30_000)
    async def scale(self, x: list[int]) -> list[int]:
        assert self.loaded
        return [self.factor * it for it in x]
