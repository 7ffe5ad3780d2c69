"""Functions whose pools the tests watch."""

from __future__ import annotations

import os

import motet
from tests.e2e.programs.gates import stand_async

app = motet.App("scaling")


async def _hold(gate: str, name: object) -> int:
    await stand_async(gate, name)
    return os.getpid()


@app.function()
@motet.concurrent(max_inputs=20)
async def twenty(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function()
@motet.concurrent(max_inputs=4, target_inputs=2)
async def bursting(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function(max_containers=2)
@motet.concurrent(max_inputs=120, target_inputs=100)
async def hundred(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function(max_containers=2)
async def at_most_two(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function(scaledown_window=2)
async def short(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function(min_containers=2)
async def always_two(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function(buffer_containers=2)
async def buffered(gate: str, name: object) -> int:
    return await _hold(gate, name)


@app.function(max_containers=1)
async def changing(gate: str, name: object) -> int:
    return await _hold(gate, name)
