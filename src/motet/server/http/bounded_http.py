"""HTTP/1.1 on a connection: uvicorn's, with bounds for the head of a request."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from motet.server.http.gathered import GatheredTransport

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers."""
HEAD_SECONDS = 30.0
"""From a connection, or the first bytes of a further request on it, to the end of the request's head."""
LINGER = 1.0
"""Seconds in which a refused client can still send: closed at once, a connection takes the refusal with it."""


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP, but heads that do not come to an end are answered 431 and 408."""

    head_seconds = HEAD_SECONDS
    _in_head = True
    _head_bytes = 0
    _last = b""
    _refused = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, GatheredTransport(transport, self.loop)))
        self._timer = self.loop.call_later(self.head_seconds, self._on_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._in_head:
            if self._head_bytes + len(data) > MAX_HEAD_BYTES and self._is_too_large(data):
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                return
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes:
            self._last = data[-3:]
            if self._timer is None:
                self._timer = self.loop.call_later(self.head_seconds, self._on_overdue)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._last = b""
        super().on_message_complete()

    def _is_too_large(self, data: bytes) -> bool:
        end = (self._last + data).find(b"\r\n\r\n")
        return end < 0 or self._head_bytes - len(self._last) + end > MAX_HEAD_BYTES

    def _on_overdue(self) -> None:
        self._timer = None
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus) -> None:
        self._refused = True
        self._stop_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # what is refused came behind a request that is being answered
            return
        text = f"{status.phrase}\n".encode()
        head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        head += f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + text)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)
