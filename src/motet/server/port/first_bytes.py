"""Who comes in, by the first bytes that it sends: one of ours, HTTP, or somebody who is at the wrong port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from motet.server.peers import HELLO_TIMEOUT, Stranger, Strangers
from motet.wire import codec
from motet.wire.hello import Refused

COUNT = 4
"""Bytes that are enough to know: the length of a frame, or how HTTP or TLS begins."""
LINGER = 1.0
"""Seconds in which who is refused can still send: closed at once, a connection takes the refusal with it."""

_METHODS = tuple(
    method[:COUNT]
    for method in (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"TRAC", b"CONN", b"PRI ")
)

Make = Callable[[], asyncio.BaseProtocol]


def is_tls(first: bytes) -> bool:
    """Whether that is how TLS begins. A frame that begins so would be a hello of 790 bytes at least, which none is."""
    return first[:2] == b"\x16\x03"


def is_http(first: bytes) -> bool:
    """Whether that is how a request of HTTP begins. A frame that begins so would be longer than any may be."""
    return first[:COUNT] in _METHODS


def refusal(first: bytes, reason: str) -> bytes:
    """A reason in the words of whoever sent these bytes."""
    if is_http(first):
        text = reason.encode() + b"\n"
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        return b"%scontent-length: %d\r\n\r\n%s" % (head, len(text), text)
    # To who speaks TLS this is none, which is what it is to know.
    return b"".join(codec.frames([Refused(reason)]))


class FirstBytes(asyncio.BufferedProtocol):
    """Takes a connection until it is known who has it: one of `frames`, or of `http`; None: there is no HTTP here.
    `instead_of`: who had it among strangers until now."""

    def __init__(
        self, strangers: Strangers, frames: Make, http: Make | None, instead_of: Stranger | None = None
    ) -> None:
        self._strangers = strangers
        self._frames = frames
        self._http = http
        self._instead_of = instead_of
        self._buffer = bytearray(4096)
        self._filled = 0
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one, but does not say so
        if self._instead_of is not None:
            self._strangers.remove(self._instead_of)
        self._strangers.add(self)
        self._deadline = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self.abort)

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled < COUNT or self._transport is None or self._transport.is_closing():
            return
        first = bytes(self._buffer[:COUNT])
        if is_tls(first):
            self._refuse(first, "this port speaks no TLS: it is a plain-text one (tcp:)")
        elif not is_http(first):
            self._hand_over(self._frames())
        elif self._http is not None:
            self._hand_over(self._http())
        else:
            self._refuse(first, "there is no HTTP here: install 'motet[server]' where the server runs")

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._transport = None

    def abort(self) -> None:
        """End the connection without a word."""
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        transport, data = self._transport, bytes(self._buffer[: self._filled])
        assert transport is not None
        self._leave()
        # Between pausing and resuming: the transport looks then how the new one wants to be given what comes.
        transport.pause_reading()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        give(protocol, data)

    def _refuse(self, first: bytes, reason: str) -> None:
        assert self._transport is not None
        self._leave()
        self._transport.write(refusal(first, reason))
        self._filled = 0
        if self._transport.can_write_eof():
            self._transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def _leave(self) -> None:
        self._strangers.remove(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def give(protocol: asyncio.BaseProtocol, data: bytes | bytearray | memoryview) -> None:
    """Have a protocol take bytes that somebody else received."""
    if isinstance(protocol, asyncio.BufferedProtocol):
        view = memoryview(data)
        while view:
            buffer = memoryview(protocol.get_buffer(len(view)))
            count = min(len(buffer), len(view))
            buffer[:count] = view[:count]
            protocol.buffer_updated(count)
            view = view[count:]
    else:
        cast(asyncio.Protocol, protocol).data_received(bytes(data))
