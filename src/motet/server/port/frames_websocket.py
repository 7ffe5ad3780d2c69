"""A WebSocket that carries frames: what comes in binary messages is for a peer, wherever one ends and the next begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

import httptools
from websockets.datastructures import Headers as OpeningHeaders
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from motet.client.addresses import WEBSOCKET_PATH
from motet.client.websocket import MAX_MESSAGE_BYTES, MESSAGE_BYTES
from motet.server.http.bounded_websocket import Opened
from motet.server.peers import HELLO_BYTES, SocketPeer
from motet.server.port.first_bytes import give
from motet.wire.web import Headers

SLICE = 4 * 1024
"""Bytes that are looked at in one turn of the loop: there may be hundreds of messages in them."""
PING_INTERVAL = 20.0
"""Seconds between two signs of life: proxies cut connections on which nothing comes for a minute or so."""
MOST_SILENT = 3
"""Pings in a row without anything from the client, after which it is gone."""

_quiet = logging.getLogger("motet.server.websocket")
_quiet.setLevel(logging.ERROR)  # it would tell of each that opens
_DATA = (Opcode.BINARY, Opcode.CONT)


def frames_websockets(make_peer: Callable[[], SocketPeer]) -> type[FramesWebSocket]:
    """The class whose peers that makes."""
    return type("FramesWebSocketHere", (FramesWebSocket,), {"make_peer": staticmethod(make_peer)})


class FramesWebSocket(asyncio.Protocol):
    """Opened by a request that came in as HTTP does, for a peer that `make_peer` makes. No page of a browser opens one: those
    say where they come from (`Origin`), and are refused."""

    make_peer: Callable[[], SocketPeer]

    def __init__(self, config: Any, server_state: Any, app_state: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._protocol = Opened(extensions=[], max_size=MAX_MESSAGE_BYTES, logger=_quiet)
        self._transport: asyncio.Transport | None = None
        self._peer: SocketPeer | None = None
        self._held = b""
        self._next: asyncio.Handle | None = None
        self._is_paused = False
        self._strange_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._silent = 0

    # --- whoever speaks HTTP on the connection calls these ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def open(self, target: bytes, headers: Headers) -> None:
        """Take the opening request. Raises `ValueError` for a target that is none."""
        path = (httptools.parse_url(target).path or b"/").decode("ascii")
        known = OpeningHeaders((name.decode("ascii"), value.decode("ascii", "ignore")) for name, value in headers)
        if path != WEBSOCKET_PATH:
            response = self._protocol.reject(HTTPStatus.NOT_FOUND, f"WebSockets are at {WEBSOCKET_PATH}\n")
        elif "Origin" in known:
            response = self._protocol.reject(HTTPStatus.FORBIDDEN, "this is for programs, and not for pages\n")
        else:
            response = self._protocol.accept(Request(path, known))
        self._protocol.send_response(response)
        self._flush()
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.close()
            return
        self._peer = self.make_peer()
        self._peer.connection_made(cast(asyncio.BaseTransport, PeerTransport(self)))
        self._timer = self._loop.call_later(PING_INTERVAL, self._ping)

    # --- asyncio calls these ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        self._held += data
        self._go_on()

    def eof_received(self) -> None:
        """Half a connection is none."""

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.pause_writing()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._held = b""
        self._transport = None
        for handle in (self._timer, self._next):
            if handle is not None:
                handle.cancel()
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends."""
        self.close()

    # --- its peer calls these, by way of a `PeerTransport` ------------------------------------------------------------

    @property
    def transport(self) -> asyncio.Transport | None:
        """What the bytes go over, while it is there."""
        return self._transport

    def send(self, data: Iterable[bytes]) -> None:
        """Have bytes sent."""
        if self._transport is None or self._transport.is_closing():
            return
        whole = memoryview(b"".join(data))
        for at in range(0, len(whole), MESSAGE_BYTES):
            self._protocol.send_binary(whole[at : at + MESSAGE_BYTES])
        self._flush()

    def listen(self, *, on: bool) -> None:
        """Whether what comes is to be given to the peer."""
        self._is_paused = not on
        if self._transport is not None and not self._transport.is_closing():
            if on and not self._held:
                self._transport.resume_reading()
            elif not on:
                self._transport.pause_reading()
        if on:
            self._go_on()

    def close(self) -> None:
        """Say goodbye, and go when all is sent."""
        if self._transport is not None and not self._transport.is_closing():
            if self._peer is not None and self._protocol.close_sent is None:
                self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
                self._flush()
            self._transport.close()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Look at the next of what came, and read on once there is no more of it."""
        if not self._held or self._next is not None or self._transport is None or self._transport.is_closing():
            return
        self._transport.pause_reading()
        if not self._is_paused:
            self._next = self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._next = None
        piece, self._held = self._held[:SLICE], self._held[SLICE:]
        self._take(piece)
        if self._held:
            self._go_on()
        elif not self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take(self, piece: bytes) -> None:
        self._protocol.receive_data(piece)
        for event in self._protocol.events_received():
            if self._peer is not None and isinstance(event, Frame) and event.opcode in _DATA and event.data:
                give(self._peer, event.data)
        self._flush()
        if self._peer is not None and self._peer.is_stranger:
            # Messages without anything in them count, too: its peer counts what is in them.
            self._strange_bytes += len(piece)
            if self._strange_bytes > 2 * HELLO_BYTES:
                self._peer.abort()
        if self._protocol.close_expected():
            self.close()

    def _flush(self) -> None:
        if (data := b"".join(self._protocol.data_to_send())) and self._transport is not None:
            self._transport.write(data)

    def _ping(self) -> None:
        self._silent += 1
        if self._transport is None or self._transport.is_closing():
            return
        if self._silent > MOST_SILENT and not self._held and not self._is_paused:
            self._transport.abort()
            return
        self._protocol.send_ping(b"")
        self._flush()
        self._timer = self._loop.call_later(PING_INTERVAL, self._ping)


class PeerTransport:
    """A WebSocket as its peer sees it: a transport."""

    def __init__(self, websocket: FramesWebSocket) -> None:
        self._websocket = websocket

    def writelines(self, data: Iterable[bytes]) -> None:
        self._websocket.send(data)

    def is_closing(self) -> bool:
        transport = self._websocket.transport
        return transport is None or transport.is_closing()

    def get_write_buffer_size(self) -> int:
        transport = self._websocket.transport
        return 0 if transport is None else transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int) -> None:
        if (transport := self._websocket.transport) is not None:
            transport.set_write_buffer_limits(high)

    def pause_reading(self) -> None:
        self._websocket.listen(on=False)

    def resume_reading(self) -> None:
        self._websocket.listen(on=True)

    def get_extra_info(self, name: str) -> Any:
        transport = self._websocket.transport
        return None if transport is None else transport.get_extra_info(name)

    def close(self) -> None:
        self._websocket.close()

    def abort(self) -> None:
        if (transport := self._websocket.transport) is not None:
            transport.abort()
