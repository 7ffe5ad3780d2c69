"""uvicorn with the ingress's protocols, an app of the test's own, and a client that speaks byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from motet.server.http.bounded_http import BoundedHttp
from motet.server.http.bounded_websocket import BoundedWebSocket

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


async def app(scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(str(size)))]})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def talked(talk: Talk, protocol: type[BoundedHttp] = BoundedHttp, asgi: Any = app, **options: Any) -> Any:
    options = {"port": 0, "lifespan": "off", "log_config": None, "loop": "none", "ws": BoundedWebSocket, **options}
    config = uvicorn.Config(asgi, http=protocol, **options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    try:
        async with asyncio.timeout(60):
            return await talk(reader, writer)
    finally:
        writer.transport.abort()
        await server.shutdown()


def answer_to(*pieces: bytes, protocol: type[BoundedHttp] = BoundedHttp, **options: Any) -> bytes:
    """All that comes back until the connection ends; the client says that it is the last request."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()

    return bytes(asyncio.run(talked(talk, protocol, **options)))


async def settled(writer: asyncio.StreamWriter) -> int:
    """How much of what was written stays with the client, once nothing moves any more."""
    left = -1
    while left != (left := writer.transport.get_write_buffer_size()):  # noqa: ASYNC110 - the system takes it, and tells nobody
        await asyncio.sleep(0.1)
    return left


class Slow:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.times = 0
        self.may_answer = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        self.times += 1
        assert (await receive())["type"] == "http.request"
        watching = asyncio.ensure_future(receive())
        waiting = asyncio.ensure_future(self.may_answer.wait())
        await asyncio.wait({watching, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            self.left.set()
        watching.cancel()
        waiting.cancel()
        await app(scope, _nothing, send)


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}
