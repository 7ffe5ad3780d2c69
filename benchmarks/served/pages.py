"""The FastAPI app that is served, the same for every server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

CHUNKS, APART = 10, 0.5
"""How many chunks a slow stream has, and the seconds before each of them."""

pages = FastAPI()


@pages.get("/")
async def root() -> dict[str, bool]:
    return {"ok": True}


@pages.get("/def")
def sync() -> dict[str, bool]:
    return {"ok": True}


@pages.get("/stream")
async def stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        for number in range(CHUNKS):
            await asyncio.sleep(APART)
            yield f"data: {number}\n\n"

    return StreamingResponse(chunks(), media_type="text/event-stream")
