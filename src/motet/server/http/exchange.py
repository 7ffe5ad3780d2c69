"""A request and its response at the ingress: one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from motet.server.http.answers import TOO_LATE, Answer, answer_for
from motet.server.http.calls import GONE, LEAVE_PATIENCE, WebCall
from motet.server.http.head import head_of
from motet.wire.asgi import Receive, Scope, Send
from motet.wire.web import BodyPiece, RequestHead, ResponseStart, Wanted

_BODY = (b"content-length", b"transfer-encoding")
FIRST_MESSAGE = 5.0
"""Seconds that the beginning of a body may take to come."""
WATCH_AFTER = 0.05
"""Seconds after which a request without a body is watched for the loss of its client: most are over by then."""


class Exchange:
    """Carries one HTTP request to its app and the response back.

    A call without any response `patience` seconds after its request was complete is given to `park`, which says what the
    client is told meanwhile, or None if it cannot take the call: then the client waits on.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, patience: float, park: Callable[[WebCall], Answer | None]
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._patience = patience
        self._park = park
        self._left: int | None = None
        """Bytes of the response that the client waits for yet; None if only its end says so."""

    async def serve(self, submit: Callable[[RequestHead], WebCall]) -> None:
        """A new request. It is no input before the beginning of its body is there, unless the client waits to be asked."""
        scope = self._scope
        has_body = False
        for name, value in scope["headers"]:
            if name in _BODY:
                has_body = True
            elif name == b"expect" and value.lower() == b"100-continue":
                await self.carry(submit(head_of(scope, b"", False, waits=True)), False, waits=True)
                return
        if not has_body:
            first = await self._receive()
        else:
            try:
                async with asyncio.timeout(FIRST_MESSAGE):
                    first = await self._receive()
            except TimeoutError:
                await give(self._send, TOO_LATE)
                return
        if first["type"] == "http.disconnect":
            return
        complete = not first.get("more_body", False)
        await self.carry(submit(head_of(scope, first.get("body", b""), complete)), complete)

    async def carry(self, call: WebCall, complete: bool, waits: bool = False) -> None:
        """Whatever comes of a call, to this client. `complete`: nothing follows of the request; `waits`: unless asked for."""
        loop = asyncio.get_running_loop()
        watch: list[asyncio.Task[None]] = []

        def start_watching() -> None:
            watch.append(loop.create_task(self._upload(call, complete)))

        timer = loop.call_later(WATCH_AFTER, start_watching) if complete else None
        if not complete and not waits:
            start_watching()
        over = parked = False
        try:
            over = await self._respond(call, start_watching)
            while call.overdue and not call.gone:
                answer = self._park(call)
                call.overdue = False  # once: if there is no room to park it, this client waits on
                if answer is not None:
                    parked = True
                    await give(self._send, answer, call.call_id)
                    return
                over = await self._respond(call, start_watching)
        finally:
            if timer is not None:
                timer.cancel()
            for task in watch:
                task.cancel()
            if not parked:
                if not over and not call.gone:
                    call.cancel()
                call.close()

    async def _respond(self, call: WebCall, upload: Callable[[], None]) -> bool:
        """Pass the response on, and `upload` the body when it is asked for.

        False if the response was cut off: returning without the end of it closes the connection.
        """
        started = False
        while (frame := await call.next_frame()) is not None:
            if isinstance(frame, ResponseStart):
                started = True
                self._left = _length(frame, self._scope["method"])
                headers = [*frame.headers, call.cold_start(frame.age)]
                if frame.status == 304:
                    self._scope["method"] = "HEAD"  # so that uvicorn looks for no body of the length that is told
                await self._send({"type": "http.response.start", "status": frame.status, "headers": headers})
            elif isinstance(frame, BodyPiece):
                await self._send({"type": "http.response.body", "body": frame.data, "more_body": frame.more})
                if self._left is not None:
                    self._left -= len(frame.data)
                if not frame.more:
                    return True
            elif isinstance(frame, Wanted):
                upload()  # receiving from uvicorn has it tell the client to go on
        if not started and not call.gone and not call.overdue:
            await give(self._send, answer_for(call.end), call.call_id)
            return True
        return False

    async def _upload(self, call: WebCall, complete: bool) -> None:
        """Pass the rest of the body on, then watch for the loss of the client and the end of its patience."""
        loop = asyncio.get_running_loop()
        patience = loop.call_later(self._patience, call.lose_patience) if complete else None
        try:
            while True:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    if not complete or self._left is None or self._left > 0:
                        call.leave(GONE, LEAVE_PATIENCE)
                    return  # who has all of the response and goes leaves nothing unfinished
                if complete:
                    continue  # of a request that has come back for a response: its own, which is for nobody
                more = message.get("more_body", False)
                await call.feed(BodyPiece(message.get("body", b""), more))
                if not more:
                    complete = True
                    patience = loop.call_later(self._patience, call.lose_patience)
        finally:
            if patience is not None:
                patience.cancel()


def _length(start: ResponseStart, method: str) -> int | None:
    """How long the body is that the client waits for; None if its end is not told in advance."""
    if method == "HEAD" or start.status in (204, 304):
        return 0
    lengths = (value for name, value in start.headers if name == b"content-length" and value.isdigit())
    return next(map(int, lengths), None)


async def give(send: Send, answer: Answer, call_id: str | None = None) -> None:
    """Answer without an app."""
    headers = answer.headers(call_id)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
