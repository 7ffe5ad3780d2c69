"""HTTP on the sockets that a server listens on anyway: its API, its health, and WebSockets that carry frames."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable
from typing import Any, cast

from motet.client.peer_process import PeerProcess
from motet.errors import ServiceError
from motet.server.api.reception import PROCESS, Reception
from motet.server.health import Health
from motet.server.health_app import HealthApp
from motet.server.http.config import WebConfig
from motet.server.http.listener import Listener
from motet.server.http.own_names import OwnNames
from motet.server.peers import SocketPeer

MAX_CONNECTIONS = 1000
"""Of HTTP at once."""

_ANSWERING = (
    "uvicorn",
    "motet.server.api.api",
    "motet.server.http.bounded_http",
    "motet.server.http.quiet_uvicorn",
    "motet.server.port.frames_websocket",
)


class HttpEntrance:
    """Has an app answer on connections that begin as HTTP, which is made when somebody asks for it. `make_peer`: what takes the
    frames in a WebSocket."""

    def __init__(self, health: Health, make_peer: Callable[[], SocketPeer]) -> None:
        self._health = health
        self._make_peer = make_peer
        self._listener: Listener | None = None

    @staticmethod
    def load() -> None:
        """Import what answers, on whatever thread: on the loop everybody would wait for it when the first one asks."""
        with contextlib.suppress(ImportError):  # who asks is told
            for name in _ANSWERING:
                importlib.import_module(name)

    def open(self) -> Any:
        """The ASGI app, the same each time. Raises `ServiceError` if packages are missing."""
        raise NotImplementedError

    def new_protocol(self, process: PeerProcess | None) -> asyncio.Protocol:
        """What takes a connection over that speaks HTTP. `process`: who is at the other end, if it is a Unix socket."""
        try:
            if self._listener is None:
                self._listener = Listener(
                    WebConfig(), self._answering(), user="HTTP", extra="server", websockets=self._websockets
                )
            if self._listener.count >= MAX_CONNECTIONS and not self._listener.make_room():
                return _LacksRoom(
                    f"requests are being answered on {MAX_CONNECTIONS} connections, which are the most that may be open"
                )
            return self._listener.new_protocol({PROCESS: process})
        except ServiceError as error:
            return _LacksRoom(str(error))

    def _answering(self) -> HealthApp:
        try:
            return HealthApp(self._health, self.open(), "")
        except ServiceError as error:
            return HealthApp(self._health, None, str(error))

    def _websockets(self) -> Any:
        try:
            from motet.server.port.frames_websocket import frames_websockets
        except ImportError:
            return "none"  # the rest does without the package
        return frames_websockets(self._make_peer)

    def end(self) -> None:
        """Nobody is to wait for an answer any more. Idempotent."""

    async def close(self) -> None:
        """Close connections, when those who wait have been told. Idempotent."""
        self.end()
        if self._listener is not None:
            await self._listener.close()


class ApiEntrance(HttpEntrance):
    """The API of a server that leads."""

    def __init__(
        self, reception: Reception, names: OwnNames, health: Health, make_peer: Callable[[], SocketPeer]
    ) -> None:
        super().__init__(health, make_peer)
        self._reception = reception
        self._names = names
        self._app: Any = None

    def open(self) -> Any:
        """See `HttpEntrance`."""
        if self._app is None:
            # Late: only servers that are asked over HTTP need it.
            try:
                from motet.server.api.api import HttpApi
            except ImportError as error:
                raise _missing(error) from error
            self._app = HttpApi(self._reception, self._names)
        return self._app

    def end(self) -> None:
        """See `HttpEntrance`."""
        if self._app is not None:
            self._app.close()


class _LacksRoom(asyncio.Protocol):
    """Answers one request, whatever it is: there are no packages for it, or no room."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        out = cast(asyncio.Transport, transport)  # uvloop's is one, but does not say so
        body = f"{self._reason}\n".encode()
        head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        out.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        out.close()


def _missing(error: ImportError) -> ServiceError:
    return ServiceError(f"the HTTP API needs more packages: pip install 'motet[api]' ({error})")
