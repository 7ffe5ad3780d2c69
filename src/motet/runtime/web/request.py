"""One web request in its container: what the app receives, and what it sends."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from motet.context.container import current_container_id
from motet.model.ids import input_id
from motet.model.outcome import Delivery
from motet.runtime.sender import Sender
from motet.runtime.web.client_left import ClientLeft
from motet.runtime.web.response import Response
from motet.wire.asgi import AsgiMessage
from motet.wire.container_messages import Items, TakeFeed
from motet.wire.web import (
    ACK_BYTES,
    PIECE_BYTES,
    WEB_WINDOW,
    Accepted,
    AnyFrame,
    Binary,
    BodyPiece,
    Closed,
    Headers,
    RequestHead,
    ResponseStart,
    Text,
    Wanted,
    decode_frame,
    decode_head,
    encode,
)


class WebRequest:
    """The two ends that an ASGI app holds of one attempt. Lives on the container's loop, but for `grant`."""

    def __init__(self, delivery: Delivery, sender: Sender, loop: asyncio.AbstractEventLoop, ready_at: float) -> None:
        self._delivery = delivery
        self._sender = sender
        self._loop = loop
        self._ready_at = ready_at
        self._head: RequestHead = decode_head(delivery.payload)
        self.trace = ""
        """The `traceparent` that the app is to continue, if not the client's."""
        self._opened = False
        self._arrived: deque[bytes] = deque()
        self._arrival = asyncio.Event()
        self._taken = 0
        self._gone: Closed | None = None
        self.told_of_leaving = False
        """Whether the app has received that its client is gone."""
        self._body_complete = self._head.complete
        self._room = WEB_WINDOW
        self._more_room = asyncio.Event()
        self._out: list[bytes] = []
        self.is_websocket = self._head.type == "websocket"
        self._response = Response(self.is_websocket, self._head.method, self._own_headers())

    def _own_headers(self) -> Headers:
        return [
            (b"motet-input-id", input_id(self._delivery.call_id, self._delivery.index).encode()),
            (b"motet-container-id", (current_container_id() or "").encode()),
        ]

    # --- from the server ----------------------------------------------------------------------------------------------

    def feed(self, items: list[bytes]) -> None:
        """Pieces of the request came."""
        self._arrived.extend(items)
        last = decode_frame(items[-1])
        if isinstance(last, Closed):
            self._gone = last
            self._more_room.set()
        self._arrival.set()

    def grant(self, count: int) -> None:
        """The client took `count` bytes; from the control thread."""
        self._loop.call_soon_threadsafe(self._grant, count)

    def _grant(self, count: int) -> None:
        self._room += count
        self._more_room.set()

    def cancel(self) -> None:
        """Tasks are cancelled by asyncio's own means."""

    # --- what the app sees --------------------------------------------------------------------------------------------

    def scope(self, state: dict[str, Any]) -> dict[str, Any]:
        """The scope of ASGI, with a copy of what the app's lifespan left in `state`."""
        head = self._head
        scope: dict[str, Any] = {
            "type": head.type,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": head.http_version,
            "scheme": head.scheme,
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query_string,
            "root_path": head.root_path,
            "headers": head.headers if not self.trace else _continuing(head.headers, self.trace),
            "client": head.client,
            "server": head.server,
            "extensions": {"websocket.http.response": {}} if head.may_deny else {},
            "state": state.copy(),
        }
        if self.is_websocket:
            scope["subprotocols"] = head.subprotocols
        else:
            scope["method"] = head.method
        return scope

    async def receive(self) -> AsgiMessage:
        """The next message for the app; the last one is that the client is gone."""
        if not self._opened:
            self._opened = True
            if self.is_websocket:
                return {"type": "websocket.connect"}
            if self._head.complete or self._head.body:
                return {"type": "http.request", "body": self._head.body, "more_body": not self._head.complete}
            if self._head.waits and not self._response.started:
                self._queue(encode(Wanted()))
        while not self._arrived:
            if self._gone is not None or (self._response.complete and not self.is_websocket):
                return self._disconnect()
            self._arrival.clear()
            await self._arrival.wait()
        return self._message(self._take())

    def _take(self) -> AnyFrame:
        data = self._arrived.popleft()
        self._taken += len(data)
        if self._taken >= ACK_BYTES and self._gone is None:
            self._sender.send(TakeFeed(self._delivery.attempt, self._taken))
            self._taken = 0  # told in portions: a word for each piece would cost as much as the piece
        return decode_frame(data)

    def _message(self, frame: AnyFrame) -> AsgiMessage:
        match frame:
            case BodyPiece():
                return {"type": "http.request", "body": frame.data, "more_body": frame.more}
            case Text():
                return {"type": "websocket.receive", "text": frame.text}
            case Binary():
                return {"type": "websocket.receive", "bytes": frame.data}
            case _:
                return self._disconnect()

    @property
    def was_closed_well(self) -> bool:
        """Whether the client closed a WebSocket as one does: going away is a part of that."""
        return self.is_websocket and self._gone is not None and self._gone.code in (1000, 1001, 1005)

    def _disconnect(self) -> AsgiMessage:
        self.told_of_leaving = True
        if not self.is_websocket:
            return {"type": "http.disconnect"}
        gone = self._gone or Closed(1005, "")
        return {"type": "websocket.disconnect", "code": gone.code, "reason": gone.reason}

    async def send(self, message: AsgiMessage) -> None:
        """Pass on what the app sends, once there is room.

        Raises `ClientLeft` when nobody is there to take it, and what `Response.take` raises for what no client could.
        """
        if self._gone is not None:
            raise ClientLeft("the client closed the connection")
        frame = self._response.take(message, self._age())
        if isinstance(frame, BodyPiece):
            await self._body(frame)
        elif isinstance(frame, ResponseStart | Accepted):
            self._queue(encode(frame))
        else:
            await self._put(frame)

    def _age(self) -> float:
        return self._loop.time() - self._ready_at

    async def _body(self, body: BodyPiece) -> None:
        data = body.data
        if len(data) > PIECE_BYTES:
            view = memoryview(data)
            last = (len(data) - 1) // PIECE_BYTES * PIECE_BYTES
            for start in range(0, last, PIECE_BYTES):
                await self._put(BodyPiece(bytes(view[start : start + PIECE_BYTES]), True))
            body = BodyPiece(bytes(view[last:]), body.more)
        if not body.more:
            self._arrival.set()
        await self._put(body)

    async def _put(self, frame: AnyFrame) -> None:
        while self._room <= 0 and self._gone is None:
            self._more_room.clear()
            await self._more_room.wait()
        if self._gone is None:
            data = encode(frame)
            self._room -= len(data)
            self._queue(data)

    # --- towards the server -------------------------------------------------------------------------------------------

    def _queue(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)  # what is sent in one turn of the loop leaves together
        self._out.append(data)

    def _flush(self) -> None:
        if self._out:
            self.close()
            self._sender.flush()

    def close(self) -> None:
        """Nothing more is sent: queue the rest, so that it leaves before the outcome."""
        if self._out:
            out, self._out = self._out, []
            self._sender.queue(Items(self._delivery.attempt, out))

    def fail(self) -> None:
        """The app raised: say so to a client that has had no answer yet."""
        if self._response.complete or self._gone is not None:
            return
        if self._response.open:
            self._queue(encode(Closed(1011, "Internal Server Error")))
        elif not self._response.started:
            text = b"Internal Server Error"
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
            self._queue(encode(ResponseStart(500, headers + self._own_headers(), self._age())))
            self._queue(encode(BodyPiece(text, False)))

    def end(self) -> None:
        """The app returned: raises `RuntimeError` if it owes an answer. A WebSocket left open is closed."""
        if self._response.complete or self._gone is not None:
            return
        if self._response.open:
            self._queue(encode(Closed(1000, "")))
        elif self._response.started:
            raise RuntimeError("the app returned before its response was complete")
        else:
            raise RuntimeError("the app returned without a response")


def _continuing(headers: Headers, trace: str) -> Headers:
    others = [(name, value) for name, value in headers if name != b"traceparent"]
    return [*others, (b"traceparent", trace.encode())]
