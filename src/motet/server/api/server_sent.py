"""Server-sent events: an answer that goes on while there is something to tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

PING_SECONDS = 15.0
"""After which a stream with nothing to tell shows that it is there: proxies cut off what says nothing."""
PING = b": \n\n"

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""Proxies are not to gather what should be told at once."""


def event(name: str, data: bytes | memoryview, number: int | None = None) -> bytes:
    """One, with data on one line, as JSON without spaces is."""
    beginning = b"" if number is None else b"id: %d\n" % number
    return b"".join((beginning, b"event: ", name.encode(), b"\ndata: ", data, b"\n\n"))


async def with_pings(events: AsyncIterator[bytes], seconds: float = PING_SECONDS) -> AsyncIterator[bytes]:
    """The same, and a comment whenever none came for so long."""
    following: asyncio.Future[bytes] | None = None
    try:
        while True:
            if following is None:
                following = asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([following], timeout=seconds)
            if not done:
                yield PING
                continue
            found, following = following, None
            try:
                item = found.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        if following is not None:
            following.cancel()
            await asyncio.wait([following])
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()


def streamed(events: AsyncIterator[bytes], headers: dict[str, str]) -> StreamingResponse:
    """The answer."""
    return StreamingResponse(with_pings(events), media_type="text/event-stream", headers={**HEADERS, **headers})
