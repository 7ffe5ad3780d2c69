"""Who is connected: clients and containers, and how messages reach them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from motet.errors import ConnectionError
from motet.wire import codec
from motet.wire.framing import FrameReader
from motet.wire.messages import WIRE_VERSION, Hello, Message, Refused, ToServer


class Peer(Protocol):
    """The server's end of one connection. `send` never waits; after the end of the connection it does nothing."""

    def send(self, messages: Sequence[Message]) -> None: ...

    def close(self) -> None: ...


class Handler(Protocol):
    """What the server does with one connection's messages; made for it when it has said hello."""

    def receive(self, messages: Sequence[ToServer]) -> None: ...

    def disconnected(self) -> None: ...


Accept = Callable[[Hello, Peer], Handler]
"""Makes the handler for a connection, or raises `ConnectionError` with the reason for refusing it."""


class SocketPeer(asyncio.BufferedProtocol):
    """A connection over a socket. The first message must be `Hello`; anything malformed ends the connection with a reason."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._reader = FrameReader()
        self._handler: Handler | None = None
        self._transport: asyncio.WriteTransport | None = None

    # --- asyncio calls these ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is one, but does not say so

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            messages: list[ToServer] = []
            for frame in self._reader.received(nbytes):
                messages += codec.decode_to_server(frame)
            if messages:
                self._receive(messages)
        except ConnectionError as error:
            self.send((Refused(str(error)),))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.disconnected()

    # --- the server calls these -------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(codec.frames(messages))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _receive(self, messages: list[ToServer]) -> None:
        if self._handler is None:
            hello = messages.pop(0)
            if not isinstance(hello, Hello):
                raise ConnectionError("the first message must be a hello")
            if hello.version != WIRE_VERSION:
                raise ConnectionError(f"this server speaks wire version {WIRE_VERSION}, not {hello.version}")
            self._handler = self._accept(hello, self)
        if messages:
            self._handler.receive(messages)
