"""A program whose function lets its running loop be run again."""

from __future__ import annotations

import asyncio

import motet

app = motet.App("nested-loop")


@app.function()
async def run_within() -> str:
    import nest_asyncio  # type: ignore[import-untyped]

    async def inner() -> str:
        await asyncio.sleep(0.001)
        return "inner"

    nest_asyncio.apply()
    found: str = asyncio.get_event_loop().run_until_complete(inner())
    return found
