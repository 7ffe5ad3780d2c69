"""One web request in its container: what the app receives, and what it sends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from motet.model.ids import input_id
from motet.model.outcome import Delivery
from motet.runtime.sender import Sender
from motet.sdk.context import current_container_id
from motet.wire.messages import Items, TakeFeed
from motet.wire.web import (
    ACK_BYTES,
    PIECE_BYTES,
    WEB_WINDOW,
    Accepted,
    AnyFrame,
    Binary,
    Body,
    Closed,
    Headers,
    RequestHead,
    ResponseStart,
    Text,
    decode_frame,
    decode_head,
    encode,
)

Message = MutableMapping[str, Any]
App = Callable[[dict[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[Any]]


class WebRequest:
    """The two ends that an ASGI app holds of one attempt. Lives on the container's loop, but for `grant`."""

    def __init__(self, delivery: Delivery, sender: Sender, loop: asyncio.AbstractEventLoop, ready_at: float) -> None:
        self._delivery = delivery
        self._sender = sender
        self._loop = loop
        self._ready_at = ready_at
        self._head: RequestHead = decode_head(delivery.payload)
        self._opened = False
        self._arrived: deque[bytes] = deque()
        self._arrival = asyncio.Event()
        self._taken = 0
        self._gone: Closed | None = None
        self._body_complete = self._head.complete
        self._room = WEB_WINDOW
        self._more_room = asyncio.Event()
        self._out: list[bytes] = []
        self.started = False
        """Whether a response, or a WebSocket, was begun."""
        self.complete = False
        """Whether nothing can follow what the app has sent."""

    @property
    def is_websocket(self) -> bool:
        return self._head.type == "websocket"

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
            "headers": head.headers,
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

    async def receive(self) -> Message:
        """The next message for the app; the last one is that the client is gone."""
        if not self._opened:
            self._opened = True
            if self.is_websocket:
                return {"type": "websocket.connect"}
            if self._head.complete or self._head.body:
                return {"type": "http.request", "body": self._head.body, "more_body": not self._head.complete}
        while not self._arrived:
            if self._gone is not None or (self.complete and not self.is_websocket):
                return self._disconnect()
            self._arrival.clear()
            await self._arrival.wait()
        return self._message(self._take())

    def _take(self) -> AnyFrame:
        data = self._arrived.popleft()
        self._taken += len(data)
        if self._taken >= ACK_BYTES and self._gone is None:
            self._sender.send(TakeFeed(self._delivery.attempt, self._taken))
            self._taken = 0
        return decode_frame(data)

    def _message(self, frame: AnyFrame) -> Message:
        match frame:
            case Body():
                return {"type": "http.request", "body": frame.data, "more_body": frame.more}
            case Text():
                return {"type": "websocket.receive", "text": frame.text}
            case Binary():
                return {"type": "websocket.receive", "bytes": frame.data}
            case _:
                return self._disconnect()

    def _disconnect(self) -> Message:
        if not self.is_websocket:
            return {"type": "http.disconnect"}
        gone = self._gone or Closed(1005, "")
        return {"type": "websocket.disconnect", "code": gone.code, "reason": gone.reason}

    async def send(self, message: Message) -> None:
        """Pass on what the app sends, once there is room. Raises `RuntimeError` for what is out of order."""
        kind = message["type"]
        if self._gone is not None:
            if self.is_websocket:
                raise OSError("the client closed the WebSocket")
            return
        if kind in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            self._start(kind, message)
        elif not self.started and kind != "websocket.close":
            raise RuntimeError(f"the app sent {kind!r} before it started a response")
        elif self.complete:
            raise RuntimeError(f"the app sent {kind!r} after its response was complete")
        elif kind in ("http.response.body", "websocket.http.response.body"):
            await self._body(message.get("body", b""), message.get("more_body", False))
        elif kind == "websocket.send":
            text = message.get("text")
            await self._put(Text(text) if text is not None else Binary(message["bytes"]))
        elif kind == "websocket.close":
            self.started = self.complete = True
            await self._put(Closed(message.get("code", 1000), message.get("reason") or ""))
        else:
            raise RuntimeError(f"the app sent {kind!r}, which no client can take here")

    def _start(self, kind: str, message: Message) -> None:
        if self.started:
            raise RuntimeError(f"the app sent {kind!r}, but it has started its response before")
        self.started = True
        age = self._loop.time() - self._ready_at
        headers = self._headers(message.get("headers", ()))
        if kind == "websocket.accept":
            self._queue(encode(Accepted(message.get("subprotocol"), headers, age)))
        else:
            self._queue(encode(ResponseStart(message["status"], headers, age)))

    def _headers(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        mine = (
            (b"motet-input-id", input_id(self._delivery.call_id, self._delivery.index).encode()),
            (b"motet-container-id", (current_container_id() or "").encode()),
        )
        return [*((bytes(name), bytes(value)) for name, value in headers), *mine]

    async def _body(self, data: bytes, more: bool) -> None:
        if len(data) > PIECE_BYTES:
            view = memoryview(data)
            last = (len(data) - 1) // PIECE_BYTES * PIECE_BYTES
            for start in range(0, last, PIECE_BYTES):
                await self._put(Body(bytes(view[start : start + PIECE_BYTES]), True))
            data = bytes(view[last:])
        if not more:
            self.complete = True
            self._arrival.set()
        await self._put(Body(data, more))

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
        if self.complete or self._gone is not None:
            return
        if self.started:
            if self.is_websocket:
                self._queue(encode(Closed(1011, "Internal Server Error")))
            return
        text = b"Internal Server Error"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        kind = "websocket.http.response.start" if self.is_websocket else "http.response.start"
        self._start(kind, {"status": 500, "headers": headers})
        self._queue(encode(Body(text, False)))

    def end(self) -> None:
        """The app returned: raises `RuntimeError` if it owes an answer. A WebSocket left open is closed."""
        if self.complete or self._gone is not None:
            return
        if self.is_websocket and self.started:
            self._queue(encode(Closed(1000, "")))
        elif self.started:
            raise RuntimeError("the app returned before its response was complete")
        else:
            raise RuntimeError("the app returned without a response")
