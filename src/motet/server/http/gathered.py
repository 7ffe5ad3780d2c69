"""Writing to a client's connection: what one turn of the event loop brings leaves together."""

from __future__ import annotations

import asyncio
from typing import Any

MOST = 64 * 1024
"""Bytes that are gathered; with more than that, waiting for company gains nothing."""
AHEAD = b"HTTP/1.1 "
"""How every response begins."""


class GatheredTransport:
    """A transport as its protocol sees it. The head of a response and its body, two writes for uvicorn, are one for the
    kernel (measured: a quarter of the ingress's time went into the two)."""

    __slots__ = ("_ahead", "_chunks", "_loop", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._chunks: list[bytes] = []
        self._size = 0
        self._ahead = 0
        """How much of the next response's beginning has been sent."""

    def write(self, data: bytes) -> None:
        if self._ahead:
            data, self._ahead = data[self._ahead :], 0
        if not self._chunks:
            self._loop.call_soon(self._flush)
        self._chunks.append(data)
        self._size += len(data)
        if self._size > MOST:
            self._flush()

    def write_ahead(self) -> None:
        """Send a byte more of what the next response will begin with, whatever it is: whether anyone reads, shows."""
        if self._ahead < len(AHEAD):
            self._flush()
            self._transport.write(AHEAD[self._ahead : self._ahead + 1])
            self._ahead += 1

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._chunks:
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
            if not self._transport.is_closing():  # the client may have gone since
                self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        """All else is the transport's own."""
        return getattr(self._transport, name)
