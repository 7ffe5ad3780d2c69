"""HTTP/1.1 on a connection: uvicorn's, with bounds for what a client may make it hold, and the rules that it leaves out.

One request of a connection is looked at after the other: what comes behind one that is not answered yet stays bytes, and
not many of them.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from motet.server.http.gathered import GatheredTransport
from motet.server.http.other_end import is_held
from motet.server.http.rules import fault_of_head, tokens

if TYPE_CHECKING:
    from motet.server.http.bounded_websocket import BoundedWebSocket  # not every listener has the package that it needs

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers; also what a body in chunks may have between two bytes of it, or behind its last."""
HEAD_SECONDS = 30.0
"""From the first bytes of a request to the end of its head."""
LINGER = 1.0
"""Seconds in which a refused client can still send: closed at once, a connection takes the refusal with it."""
MAX_HELD_BYTES = 64 * 1024
"""What may come behind a request that is not answered yet before the connection is read no further."""
LOOKS = (0.05, 0.5, 1.0)
"""Seconds between looks at whether a client that sends no more still reads; the last one repeats."""
PATIENCE = 2
"""Looks after which a client on another machine is sent something: that shows it."""

_END = b"\r\n\r\n"
_FRAMING = (b"content-length", b"transfer-encoding")


class _Flow(FlowControl):
    """Reads on when somebody asks for it, but not while what came is too much already."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP, but heads that do not come to an end are answered 431 and 408, and requests wait unparsed."""

    head_seconds = HEAD_SECONDS
    looks = LOOKS
    flow: _Flow
    _in_head = True
    _head_bytes = 0
    _left: int | None = None
    """Bytes of the body still to come; None: chunks say where it ends."""
    _beside_body = 0
    """Bytes of sizes of chunks, of their extensions and of trailers since the last byte of the body."""
    _last = b""
    """The end of what the parser had, where the end of a head, or of chunks, may have begun."""
    _held = b""
    _declining = False
    """Whether the client asked for a protocol that is not spoken here; `_muted`: its head is parsed once more."""
    _muted = False
    _fault: tuple[HTTPStatus, str] | None = None
    _refused = False
    _half_closed = False
    _timer: asyncio.TimerHandle | None = None
    free_since = 0.0
    """When it was opened, or last had answered a request, on the loop's clock."""

    @property
    def is_free(self) -> bool:
        """Whether no request is being answered on it, though the head of one may be on its way."""
        return (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        gathered = cast(asyncio.Transport, GatheredTransport(transport, self.loop))
        super().connection_made(gathered)
        self.free_since = self.loop.time()
        self.access_log = False  # the log is the program's own uvicorn's, if it has one
        self.flow = _Flow(gathered)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unset_keepalive_if_required()
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._held:
            self._hold(self._held + data)
        else:
            self._take(data)

    # --- one request after the other ----------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        """Whether a request that came whole is not answered yet."""
        return self._in_head and self.cycle is not None and not self.cycle.response_complete

    def _take(self, data: bytes) -> None:
        at = 0  # not cut off piece by piece: there may be one every four bytes
        while at < len(data) and not self._refused and not self.transport.is_closing():
            if self._is_busy():
                self._hold(data[at:])
                return
            end = self._end_of_piece(data, at)
            if self._in_head:
                self._head_bytes += end - at
                if self._head_bytes > MAX_HEAD_BYTES:
                    self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                    return
            piece, at = data[at:end], end
            websocket = self._parse(piece)
            if websocket is not None:
                if at < len(data):
                    websocket.data_received(data[at:])
                return

    def _hold(self, data: bytes) -> None:
        self._held = data
        if len(data) > MAX_HELD_BYTES:
            self.flow.full = True
            self.flow.pause_reading()

    def _end_of_piece(self, data: bytes, at: int) -> int:
        """Where the head or the body that is being read may end: nothing behind that is parsed yet. Or all that is here."""
        if not self._in_head and self._left is not None:
            return min(at + self._left, len(data))
        begun = (self._last + data[at : at + 3]).find(_END)
        if begun >= 0:
            return at - len(self._last) + begun + len(_END)
        end = data.find(_END, at)
        return len(data) if end < 0 else end + len(_END)

    def _parse(self, piece: bytes) -> BoundedWebSocket | None:
        """Who has the connection from here on, if not this."""
        if self._in_head or self._left is None:
            self._last = b"" if piece.endswith(_END) else (self._last + piece)[-3:]
        else:
            self._left -= len(piece)
        self._beside_body = 0 if self._in_head else self._beside_body + len(piece)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            if self._declining:
                self._read_body_after_all()
            elif self._fault is None:
                return self._open_websocket()
        except httptools.HttpParserError:
            self._fault = self._fault or (HTTPStatus.BAD_REQUEST, "Invalid HTTP request received.")
        if self._fault is None and self._beside_body > MAX_HEAD_BYTES:
            self._fault = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "")
        if self._fault is not None:
            self._refuse(*self._fault)
        elif self._in_head and self._head_bytes and self._timer is None:
            self._timer = self.loop.call_later(self.head_seconds, self._on_overdue)
        return None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.free_since = self.loop.time()
        if self._held:
            self.loop.call_soon(self._take_held)
        elif self._half_closed:
            self.transport.close()

    def _take_held(self) -> None:
        held, self._held = self._held, b""
        self.flow.full = False
        self.flow.resume_reading()
        self._take(held)
        if self._half_closed and self._is_busy():
            self._look_for_client(0)
        elif self._half_closed:
            self.transport.close()  # what is there of a request has no end

    # --- the parser's callbacks ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if not self._muted:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._muted:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers are no headers: what a head says of its sender has been checked by then.
        if self._in_head and not self._muted:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._muted:
            return
        self._stop_timer()
        method = self.parser.get_method()
        fault = fault_of_head(method, self.parser.get_http_version(), self.url, self.headers)
        if self.parser.should_upgrade() and fault is None:
            # What else a client would like to speak it need not: the request counts as it is.
            self._declining = not self._wants_websocket(method)
            if not self._declining and any(name in _FRAMING and value != b"0" for name, value in self.headers):
                fault = "the opening request of a WebSocket has no body"
        if fault is not None:
            self._fault = HTTPStatus.BAD_REQUEST, fault
            return
        self._in_head = False
        self._head_bytes = 0
        lengths = [value for name, value in self.headers if name == b"content-length"]
        chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self._left = None if chunked else int(lengths[0]) if lengths else 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._beside_body = 0  # bounded between two pieces of body, not in all: a body may be endless
        if self._fault is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._fault is None and not self._declining:
            self._in_head = True
            super().on_message_complete()

    # --- other protocols ----------------------------------------------------------------------------------------------

    def _wants_websocket(self, method: bytes) -> bool:
        return (
            self.ws_protocol_class is not None and method == b"GET" and b"websocket" in tokens(self.headers, b"upgrade")
        )

    def _should_upgrade(self) -> bool:
        return not self._declining

    def _read_body_after_all(self) -> None:
        """The client would rather speak another protocol. It need not, and its request has a body like any other: the
        parser, which would read no further, is replaced by one that has seen the same head without that wish."""
        self._declining = False
        self.parser = httptools.HttpRequestParser(self)
        framing = [b"%s: %s\r\n" % header for header in self.headers if header[0] in _FRAMING]
        self._muted = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n")
        self._muted = False

    def _open_websocket(self) -> BoundedWebSocket | None:
        make = cast("type[BoundedWebSocket]", self.ws_protocol_class)
        websocket = make(self.config, self.server_state, self.app_state, self.loop)
        websocket.connection_made(self.transport)
        self.connections.discard(self)
        try:
            websocket.open(self.url, self.headers)
        except (ValueError, httptools.HttpParserError):
            self.connections.discard(websocket)
            self._refuse(HTTPStatus.BAD_REQUEST)
            return None
        self.transport.set_protocol(websocket)
        return websocket

    # --- clients that send no more, and those that are refused --------------------------------------------------------

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that sends no more may still read, if it has asked for something."""
        if self._refused or self.scheme == "https" or not self._is_busy():
            return False  # TLS knows no half of a connection
        # Half a connection, or all of one that is gone: only the system knows, and is asked now and then.
        self._half_closed = True
        self._look_for_client(0)
        return not self.transport.is_closing()

    def _look_for_client(self, looks: int) -> None:
        cycle = self.cycle
        if self.transport.is_closing() or cycle.response_complete:
            return
        held = is_held(self.transport.get_extra_info("socket"))
        if held is False:
            self.transport.close()
            return
        if held is None and looks >= PATIENCE:
            transport = cast(GatheredTransport, self.transport)
            if not cycle.response_started:
                transport.write_ahead()
            elif cycle.chunked_encoding:
                transport.write(b"0")  # the size of the next chunk may begin with zeros
        self._timer = self.loop.call_later(
            self.looks[min(looks, len(self.looks) - 1)], self._look_for_client, looks + 1
        )

    def _on_overdue(self) -> None:
        self._timer = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus, why: str = "") -> None:
        self._refused = True  # what follows on this connection has no beginning that could be trusted
        self._stop_timer()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:  # it is the body of that request which is refused
            if cycle.response_started:
                self.transport.close()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        text = why.encode() or f"{status.phrase}\n".encode()
        head = f"HTTP/1.1 {status} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        head += f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + text)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)
