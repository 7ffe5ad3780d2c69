"""What an app sends for one request: checked as it comes, in its order and its types, and made into frames."""

from __future__ import annotations

import re
from typing import Any

from motet.wire.asgi import AsgiMessage
from motet.wire.web import Accepted, AnyFrame, Binary, BodyPiece, Closed, Headers, ResponseStart, Text

MAX_REASON_BYTES = 123
"""What a closing frame has room for."""

# Characters with which a header would end, or become another one.
_BAD_NAME = re.compile(rb'[\x00-\x20\x7f()<>@,;:\\\[\]={}"]')
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


# States, in words for messages. (Plain strings: the hash of an enum's members is computed in Python each time.)
_WAITING = "before it started a response"
_BODY = "while its response has a body to come"
_OPEN = "while its WebSocket is open"
_COMPLETE = "after its response was complete"

_NEXT: dict[bool, dict[str, tuple[str, ...]]] = {
    # What may come from the app of a request (False) or of a WebSocket (True), by state.
    False: {
        _WAITING: ("http.response.start",),
        _BODY: ("http.response.body",),
        _COMPLETE: (),
    },
    True: {
        _WAITING: ("websocket.accept", "websocket.close", "websocket.http.response.start"),
        _BODY: ("websocket.http.response.body",),
        _OPEN: ("websocket.send", "websocket.close"),
        _COMPLETE: (),
    },
}


class Response:
    """One response, or the app's side of one WebSocket. `own_headers` go with its head."""

    def __init__(self, websocket: bool, method: str, own_headers: Headers) -> None:
        self._websocket = websocket
        self._bodiless = method == "HEAD"
        self._own_headers = own_headers
        self._own_names = {name for name, _ in own_headers}
        self._state = _WAITING
        self._left: int | None = None
        """Bytes of body still due; None if any number may come."""

    @property
    def started(self) -> bool:
        """Whether a response, or a WebSocket, was begun."""
        return self._state is not _WAITING

    @property
    def open(self) -> bool:
        """Whether this is a WebSocket that was accepted and not closed yet."""
        return self._state is _OPEN

    @property
    def complete(self) -> bool:
        """Whether nothing can follow what the app has sent."""
        return self._state is _COMPLETE

    def take(self, message: AsgiMessage, age: float) -> AnyFrame:
        """The next message as a frame. `age`: seconds since the container became ready.

        Raises `RuntimeError` for what is out of order, and `TypeError` and `ValueError` for what it is made of. Nothing
        has changed then.
        """
        kind = message["type"]
        allowed = _NEXT[self._websocket][self._state]
        if kind not in allowed:
            may = f"it may send {' or '.join(map(repr, allowed))}" if allowed else "nothing may follow"
            raise RuntimeError(f"the app sent {kind!r} {self._state}: {may}")
        if kind in ("http.response.body", "websocket.http.response.body"):
            return self._body(message)
        if kind in ("http.response.start", "websocket.http.response.start"):
            return self._start(message, age)
        if kind == "websocket.send":
            return _message(message)
        if kind == "websocket.accept":
            subprotocol = message.get("subprotocol")
            if subprotocol is not None and not isinstance(subprotocol, str):
                raise TypeError(f"a subprotocol is a str, not {subprotocol!r}")
            if subprotocol is not None and _BAD_NAME.search(subprotocol.encode() or b" "):
                raise ValueError(f"the subprotocol {subprotocol!r} has characters that none may have")
            frame = Accepted(subprotocol, self._headers(message), age)
            self._state = _OPEN
            return frame
        closed = _closed(message) if self.open else Closed(1000, "")  # before: a refusal, whatever the code
        self._state = _COMPLETE
        return closed

    def _start(self, message: AsgiMessage, age: float) -> ResponseStart:
        status = message["status"]
        if not isinstance(status, int) or not 200 <= status <= 599:  # what is below announces a response, and is none
            raise ValueError(f"the status of a response is an int from 200 to 599, not {status!r}")
        headers, self._left = _framed(status, self._headers(message), self._bodiless)
        self._state = _BODY
        return ResponseStart(int(status), headers, age)

    def _headers(self, message: AsgiMessage) -> Headers:
        headers: Headers = []
        for name, value in message.get("headers") or ():
            if not isinstance(name, bytes | bytearray) or not isinstance(value, bytes | bytearray):
                raise TypeError(f"a header is two bytes objects, not {name!r} and {value!r}")
            if not name or _BAD_NAME.search(name) or _BAD_VALUE.search(value):
                raise ValueError(f"the header {bytes(name)!r}: {bytes(value)!r} has characters that no header may have")
            if bytes(name).lower() not in self._own_names:
                headers.append((bytes(name), bytes(value)))
        return headers + self._own_headers

    def _body(self, message: AsgiMessage) -> BodyPiece:
        data = message.get("body", b"")
        if type(data) is not bytes:
            data = _bytes(data, "a body")
        more = bool(message.get("more_body", False))
        if self._left is not None:
            if len(data) > self._left:
                raise RuntimeError(
                    f"the body is longer than its Content-Length: {self._left} bytes were due, not {len(data)}"
                )
            if not more and len(data) < self._left:
                raise RuntimeError(
                    f"the body is shorter than its Content-Length: {self._left - len(data)} bytes are missing"
                )
            self._left -= len(data)
        if not more:
            self._state = _COMPLETE
        return BodyPiece(data, more)


def _framed(status: int, headers: Headers, bodiless: bool) -> tuple[Headers, int | None]:
    """The headers that go out, and how long the body must be, if that is certain.

    How a body is framed is the server's business (ASGI says so of Transfer-Encoding); two answers to where it ends are
    none, and a proxy on the way could take the other one.
    """
    kept: Headers = []
    lengths: list[bytes] = []
    coded = False
    for name, value in headers:
        lower = name.lower()
        if lower == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise ValueError(f"a body is sent as it is, or in chunks: its Transfer-Encoding cannot be {value!r}")
            coded = True
            continue
        if lower == b"content-length":
            if not value.isdigit():
                raise ValueError(f"a Content-Length is a number of bytes, not {value!r}")
            lengths.append(value)
            if status == 204:
                continue  # there, HTTP allows none
        kept.append((name, value))
    if len(lengths) > 1 or (lengths and coded):
        raise ValueError(f"a response has one Content-Length, or a Transfer-Encoding, not both or several: {lengths}")
    if status in (204, 304):
        return kept, 0  # a length is that of what is not sent
    return kept, None if bodiless or not lengths else int(lengths[0])


def _bytes(data: Any, what: str) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"{what} is bytes, not {type(data).__name__}")
    return bytes(data)


def _message(message: AsgiMessage) -> Text | Binary:
    text = message.get("text")
    if text is None:
        return Binary(_bytes(message.get("bytes"), "a WebSocket message without text"))
    if not isinstance(text, str):
        raise TypeError(f"the text of a WebSocket message is a str, not {type(text).__name__}")
    return Text(text)


def _closed(message: AsgiMessage) -> Closed:
    code, reason = message.get("code"), message.get("reason") or ""
    code = 1000 if code is None else code
    # 1004 to 1006 and 1015 only say what happened; 2999 and below are the protocol's, the rest anybody's.
    if not isinstance(code, int) or not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ValueError(f"a WebSocket is closed with 1000 to 1003, 1007 to 1014 or 3000 to 4999, not {code!r}")
    if not isinstance(reason, str) or len(reason.encode()) > MAX_REASON_BYTES:
        raise ValueError(f"the reason for closing is a str of at most {MAX_REASON_BYTES} bytes, not {reason!r}")
    return Closed(int(code), reason)
