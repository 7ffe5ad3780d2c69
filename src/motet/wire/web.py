"""A web request on the wire: the payload of its input, and the items that go up (its body) and down (its response).

They say what the messages of ASGI say. Both ways are counted in bytes: a sender may be `WEB_WINDOW` ahead of its receiver.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from motet.errors import RequestSizeError
from motet.model.hidden import hides_secrets
from motet.model.limits import MAX_PAYLOAD_BYTES

WEB_WINDOW = 256 * 1024
"""Bytes that the sender of a body may be ahead of whoever takes it."""

ACK_BYTES = WEB_WINDOW // 4
"""A receiver grants room again when it has taken this much."""

PIECE_BYTES = 64 * 1024
"""Longer pieces of a body are split."""

Headers = list[tuple[bytes, bytes]]


@hides_secrets
class RequestHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An input of a web function: the scope of ASGI, and the body if it is `complete`, else its beginning.

    `may_deny`: the client side of a WebSocket can be given an HTTP response instead. `waits`: the client sends no body
    before it is `Wanted` (it said `Expect: 100-continue`).
    """

    type: str
    method: str
    scheme: str
    http_version: str
    path: str
    raw_path: bytes | None
    query_string: bytes
    root_path: str
    headers: Headers
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    subprotocols: list[str]
    may_deny: bool
    body: bytes
    complete: bool
    waits: bool = False


class Frame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Base of what goes up and down while a request runs."""


@hides_secrets
class ResponseStart(Frame, tag="start", frozen=True):
    """Status and headers; for a WebSocket: it is refused with them. `age`: seconds since the container became ready."""

    status: int
    headers: Headers
    age: float


class BodyPiece(Frame, tag="body", frozen=True):
    """A piece of a body, either way. Without `more` it is the last one."""

    data: bytes
    more: bool


@hides_secrets
class Accepted(Frame, tag="accepted", frozen=True):
    """The app takes the WebSocket. `age` as in `ResponseStart`."""

    subprotocol: str | None
    headers: Headers
    age: float


class Text(Frame, tag="text", frozen=True):
    """A text message of a WebSocket, either way."""

    text: str


class Binary(Frame, tag="binary", frozen=True):
    """A binary message of a WebSocket, either way."""

    data: bytes


class Wanted(Frame, tag="wanted", frozen=True):
    """Down: the app asks for the body of a request that `waits`."""


class Closed(Frame, tag="closed", frozen=True):
    """Down: the app closes the WebSocket. Up: the client is gone; nothing comes any more."""

    code: int
    reason: str


AnyFrame = ResponseStart | BodyPiece | Accepted | Text | Binary | Wanted | Closed

_encode = msgspec.msgpack.Encoder().encode


def encode(part: RequestHead | AnyFrame) -> bytes:
    """A part of a request or a response as bytes. Raises `RequestSizeError` for one that no connection takes."""
    data = _encode(part)
    if len(data) > MAX_PAYLOAD_BYTES:
        raise RequestSizeError(
            f"{type(part).__name__} of {len(data) / 2**20:.1f} MiB; one may be {MAX_PAYLOAD_BYTES // 2**20} MiB at most"
        )
    return data


decode_head: Callable[[bytes], RequestHead] = msgspec.msgpack.Decoder(RequestHead).decode
decode_frame: Callable[[bytes], AnyFrame] = msgspec.msgpack.Decoder(AnyFrame).decode
