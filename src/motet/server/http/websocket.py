"""A WebSocket at the ingress: one call for as long as it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from motet.model.outcome import OutcomeKind
from motet.server.http.answers import Answer, answer_for
from motet.server.http.calls import WebCall
from motet.server.http.head import head_of
from motet.wire.asgi import Receive, Scope, Send
from motet.wire.web import Accepted, AnyFrame, Binary, BodyPiece, Closed, RequestHead, ResponseStart, Text

LEAVE_PATIENCE = 5.0
"""Seconds that an app has to end after its client closed the WebSocket, before it is cancelled."""
INTERNAL_ERROR, TRY_AGAIN = 1011, 1013


async def serve(scope: Scope, receive: Receive, send: Send, submit: Callable[[RequestHead], WebCall]) -> None:
    """Carry messages both ways until one side closes."""
    await receive()  # websocket.connect
    call = submit(head_of(scope, b"", True))
    upload = asyncio.get_running_loop().create_task(_upload(call, receive))
    over = False
    try:
        over = await _Download(scope, send, call).run()
    except OSError:
        call.leave(Closed(1006, ""), LEAVE_PATIENCE)  # the client went while something was sent to it
    finally:
        upload.cancel()
        if not over and not call.gone:
            call.cancel()
        call.close()


async def _upload(call: WebCall, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            call.leave(Closed(message.get("code", 1005), message.get("reason") or ""), LEAVE_PATIENCE)
            return
        text = message.get("text")
        await call.feed(Text(text) if text is not None else Binary(message["bytes"]))


class _Download:
    """What the app sends, on its way to the client."""

    def __init__(self, scope: Scope, send: Send, call: WebCall) -> None:
        self._scope = scope
        self._send = send
        self._call = call
        self._accepted = False
        self._denied = False

    async def run(self) -> bool:
        """Whether it came to an end of its own: False if the client left."""
        call = self._call
        while (frame := await call.next_frame()) is not None:
            await self._pass_on(frame)
            if isinstance(frame, Closed) or (isinstance(frame, BodyPiece) and not frame.more):
                return True
        if call.gone:
            return False
        if self._accepted:
            failed = call.end is None or call.end.kind is not OutcomeKind.SUCCESS
            await self._send({"type": "websocket.close", "code": INTERNAL_ERROR if failed else 1000})
        elif not self._denied:
            await deny(self._scope, self._send, answer_for(call.end), call.call_id)
        return True

    async def _pass_on(self, frame: AnyFrame) -> None:
        match frame:
            case Accepted():
                self._accepted = True
                headers = [*frame.headers, self._call.cold_start(frame.age)]
                accept = {"type": "websocket.accept", "subprotocol": frame.subprotocol, "headers": headers}
                await self._send(accept)
            case Text():
                await self._send({"type": "websocket.send", "text": frame.text})
            case Binary():
                await self._send({"type": "websocket.send", "bytes": frame.data})
            case Closed():
                await self._send({"type": "websocket.close", "code": frame.code, "reason": frame.reason})
            case ResponseStart():
                self._denied = True
                headers = [*frame.headers, self._call.cold_start(frame.age)]
                await self._send({"type": "websocket.http.response.start", "status": frame.status, "headers": headers})
            case BodyPiece():
                body = {"type": "websocket.http.response.body", "body": frame.data, "more_body": frame.more}
                await self._send(body)


async def refuse(scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
    """Answer the opening request of a WebSocket that no function takes."""
    await receive()
    await deny(scope, send, answer)


async def deny(scope: Scope, send: Send, answer: Answer, call_id: str | None = None) -> None:
    """Give an HTTP response instead of opening the WebSocket."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": TRY_AGAIN, "reason": answer.text[:120]})
        return
    headers = answer.headers(call_id)
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
