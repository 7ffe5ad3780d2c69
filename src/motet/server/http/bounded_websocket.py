"""A WebSocket on a connection: uvicorn's, with bounds for what a client may make the server hold or do in one go."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import httptools
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers as OpeningHeaders
from websockets.http11 import Request
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from motet.wire.web import Headers

SLICE = 2 * 1024
"""Bytes that are looked at in one turn of the loop: there may be hundreds of messages in them."""


class Opened(ServerProtocol):
    """What follows the opening request, which has been read."""

    def parse(self) -> Generator[None, None, None]:
        yield from Protocol.parse(self)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSockets, opened by a request that came in as HTTP does: the same bounds hold for its head.

    Nothing is parsed before it is open, and no more while its app is behind or its client does not take its pongs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = Opened(extensions=[], max_size=self.config.ws_max_size, logger=self.conn.logger)
        self._held = b""
        self._unread_pongs = False
        self._next: asyncio.Handle | None = None

    def open(self, target: bytes, headers: Headers) -> None:
        """Take the opening request. Raises `ValueError` for a target that is none."""
        parts = httptools.parse_url(target)
        path = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
        known = OpeningHeaders((name.decode("ascii"), value.decode("ascii", "ignore")) for name, value in headers)
        self.handle_connect(Request(path.decode("ascii"), known))
        if not self.handshake_complete:
            self.scope["headers"] = list(headers)  # each byte as it came

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._held += data
        self._go_on()

    async def receive(self) -> Any:
        message = await super().receive()
        self._go_on()
        return message

    async def send(self, message: Any) -> None:
        await super().send(message)
        self._go_on()

    def handle_ping(self) -> None:
        super().handle_ping()
        self._unread_pongs = not self.writable.is_set()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_pongs = False
        self._go_on()

    def keepalive_timeout(self) -> None:
        if self._held or self.read_paused:  # the answer may be among what was not read
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def _go_on(self) -> None:
        """Look at the next of what came, and read on once there is no more of it."""
        if not self._held or self._next is not None or self.transport.is_closing():
            return
        self.transport.pause_reading()
        if self.handshake_complete and not self.read_paused and not self._unread_pongs:
            self._next = self.loop.call_soon(self._look)

    def _look(self) -> None:
        self._next = None
        piece, self._held = self._held[:SLICE], self._held[SLICE:]
        super().data_received(piece)
        if self._held:
            self._go_on()
        elif not self.read_paused and not self._unread_pongs and not self.transport.is_closing():
            self.transport.resume_reading()
