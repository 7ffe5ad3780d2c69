"""Who comes in, by the first bytes that it sends, and words for who is at the wrong port."""

from __future__ import annotations

import asyncio
from typing import cast

from motet.server.peers import TLS
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


def is_tls(first: bytes) -> bool:
    """Whether that is how TLS begins."""
    return first[:2] == TLS


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
