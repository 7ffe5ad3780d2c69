"""HTTP on the port: whether the server lives and is ready, for whoever asks, and WebSockets that carry frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from motet.errors import ServiceError
from motet.server.driver import logger
from motet.server.health import READY, Health
from motet.server.http.config import WebConfig
from motet.server.http.listener import Listener
from motet.server.peers import SocketPeer
from motet.wire.asgi import Scope

MAX_CONNECTIONS = 1000
"""Connections of HTTP at once; one more is cut off."""

AsgiApp = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class PortHttp:
    """Answers requests on connections that somebody else accepted. `app` is asked for what is not its own; None: 404."""

    def __init__(self, health: Health, make_peer: Callable[[], SocketPeer], app: AsgiApp | None = None) -> None:
        self._listener: Listener | None = Listener(
            WebConfig(keep_alive=15.0),
            HealthApp(health, app),
            user="HTTP on the port",
            extra="server",
            websockets=lambda: _websockets(make_peer),
        )
        try:
            self._listener.start()
        except ServiceError as error:
            logger.info("%s", error)
            self._listener = None

    @property
    def is_there(self) -> bool:
        """Whether the packages for it are."""
        return self._listener is not None

    def connection(self) -> asyncio.BaseProtocol:
        """What takes one more connection."""
        assert self._listener is not None
        return self._listener.connection() if self._listener.count < MAX_CONNECTIONS else _CutOff()

    async def close(self) -> None:
        """Idempotent."""
        if self._listener is not None:
            await self._listener.close()


class HealthApp:
    """Says in a word whether the server lives (`/livez`) and is ready (`/readyz`: 200, or 503), to anybody."""

    def __init__(self, health: Health, app: AsgiApp | None) -> None:
        self._health = health
        self._app = app

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """An ASGI app."""
        path = scope["path"]
        if path not in ("/livez", "/readyz") and self._app is not None:
            await self._app(scope, receive, send)
            return
        status, word = HTTPStatus.NOT_FOUND, "not found"
        if path in ("/livez", "/readyz"):
            status, word = HTTPStatus.OK, "ok"
            if scope["method"] not in ("GET", "HEAD"):
                status, word = HTTPStatus.METHOD_NOT_ALLOWED, "GET or HEAD"
            elif path == "/readyz" and self._health.state != READY:
                status, word = HTTPStatus.SERVICE_UNAVAILABLE, self._health.state
        body = f"{word}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _CutOff(asyncio.Protocol):
    """Takes nothing."""

    def connection_made(self, transport: Any) -> None:
        transport.abort()


def _websockets(make_peer: Callable[[], SocketPeer]) -> Any:
    from motet.server.port.frames_websocket import FramesWebSocket

    return type("FramesWebSocketHere", (FramesWebSocket,), {"make_peer": staticmethod(make_peer)})
