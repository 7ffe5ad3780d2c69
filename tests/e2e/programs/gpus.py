"""Functions that say which GPUs they see."""

from __future__ import annotations

import os

import motet
from tests.e2e.programs.gates import stand_async

app = motet.App("gpus")

# As libraries do: read once, when the module is imported.
SEEN = os.environ.get("CUDA_VISIBLE_DEVICES")


async def _seen(gate: str, name: object) -> str | None:
    await stand_async(gate, name)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == SEEN
    return SEEN


@app.function(gpu="H100")
async def whole(gate: str, name: object) -> str | None:
    return await _seen(gate, name)


@app.function(gpu="any")
async def another(gate: str, name: object) -> str | None:
    return await _seen(gate, name)


@app.function(gpu=["B200", "H100:2"])
async def both(gate: str, name: object) -> str | None:
    return await _seen(gate, name)


@app.function(gpu="any:0.5")
async def half(gate: str, name: object) -> str | None:
    return await _seen(gate, name)


@app.function(gpu="H100:4")
async def too_many(gate: str, name: object) -> str | None:
    return await _seen(gate, name)


@app.function()
async def without(gate: str, name: object) -> str | None:
    return await _seen(gate, name)


@app.function(env={"CUDA_VISIBLE_DEVICES": "GPU-of-mine"})
async def own(gate: str, name: object) -> str | None:
    return await _seen(gate, name)
