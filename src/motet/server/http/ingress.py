"""The ingress: takes HTTP requests and WebSockets for web functions, and has each run as an input of its function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from motet.errors import Error
from motet.model.function import AppSpec, FunctionSpec, FunctionVariant
from motet.sdk.parameters import checked_parameters, encoded_parameters
from motet.server.clients import ClientSession
from motet.server.http import websocket
from motet.server.http.answers import BUSY, NOT_FOUND, Answer, answer_for
from motet.server.http.calls import WebCall, WebCalls
from motet.server.http.head import Receive, Scope, Send, head_of
from motet.server.http.listener import Listener
from motet.server.http.routes import Place, Route, Routes
from motet.wire.web import Body, Closed, RequestHead, ResponseStart

Bind = Callable[[str, FunctionVariant], str]

WATCH_AFTER = 0.05
"""Seconds after which a request without a body is watched for the loss of its client: most are over by then."""
MAX_WAITING = 2000
"""Requests of one function that may wait for a container."""
LEAVE_PATIENCE = 0.1
"""Seconds that an app has to react to the loss of its client before it is cancelled."""
GONE = Closed(1006, "")


class _App(Protocol):
    app_id: str
    spec: AppSpec
    declared: dict[str, FunctionSpec]


class Ingress:
    """Web functions' way in. Listens from the first app on that has any.

    `waiting` tells how many inputs of a function wait: of one with `MAX_WAITING` no more requests are taken.
    """

    def __init__(
        self, port: int, connect: Callable[[WebCalls], ClientSession], bind: Bind, waiting: Callable[[str], int]
    ) -> None:
        self._routes = Routes()
        self._connect = connect
        self._bind = bind
        self._waiting = waiting
        self._calls: WebCalls | None = None
        self._listener = Listener(port, self)

    def open(self, app: _App) -> list[tuple[str, str, str]]:
        """Take requests for an app's web functions; their URLs by function id and method."""
        if not any(method.web for function in app.spec.functions for method in function.methods):
            return []
        base = self._listener.open()
        if self._calls is None:
            self._calls = WebCalls(self._connect)
        routes = self._routes.add(app.app_id, app.spec.name, app.declared)
        return [(route.function_id, route.method, f"{base}/{route.label}") for route in routes]

    def close(self, app_id: str) -> None:
        """Take no more requests for an app; those under way go on."""
        self._routes.remove(app_id)

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as an ASGI app."""
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        place = self._routes.find(host, scope["path"])
        try:
            target = None if place is None else self._target(place.route, scope)
        except (Error, TypeError, ValueError) as error:
            await self._refuse(scope, receive, send, Answer(400, str(error)))
            return
        if place is None or target is None or self._calls is None:
            await self._refuse(scope, receive, send, NOT_FOUND)
            return
        if self._waiting(target) + self._calls.unsent >= MAX_WAITING:
            await self._refuse(scope, receive, send, BUSY)
            return
        _place_scope(scope, place)
        if scope["type"] == "websocket":
            await websocket.serve(scope, receive, send, lambda head: self._submit(target, place, head))
        else:
            await self._http(scope, receive, send, lambda head: self._submit(target, place, head))

    def _submit(self, function_id: str, place: Place, head: RequestHead) -> WebCall:
        assert self._calls is not None
        return self._calls.open(function_id, place.route.method, head)

    def _target(self, route: Route, scope: Scope) -> str:
        """The pool that takes it: parameters of a class are taken from the query string."""
        parameters = {spec.name: spec.type_name for spec in route.function.parameters}
        if not parameters:
            return route.function_id
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = {name: _parameter(parameters[name], value) for name, value in query if name in parameters}
        rest = [(name, value) for name, value in query if name not in parameters]
        scope["query_string"] = urlencode(rest).encode("latin-1")
        values = checked_parameters(route.function.parameters, given, route.function.name)
        encoded = encoded_parameters(values, route.function.name)
        return self._bind(route.function_id, FunctionVariant(parameters_given=encoded))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
        if scope["type"] == "websocket":
            await websocket.refuse(scope, receive, send, answer)
        else:
            await _answer(send, answer)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send, submit: Callable[[RequestHead], WebCall]) -> None:
        first = await receive()
        if first["type"] == "http.disconnect":
            return
        loop = asyncio.get_running_loop()
        submitted = loop.time()
        complete = not first.get("more_body", False)
        call = submit(head_of(scope, first.get("body", b""), complete))
        watch: list[asyncio.Task[None]] = []

        def start_watching() -> None:
            watch.append(loop.create_task(_upload(call, receive)))

        timer = loop.call_later(WATCH_AFTER, start_watching) if complete else None
        if not complete:
            start_watching()
        over = False
        try:
            over = await _respond(call, send, submitted)
        finally:
            if timer is not None:
                timer.cancel()
            for task in watch:
                task.cancel()
            if not over and not call.gone:
                call.cancel()
            call.close()


async def _respond(call: WebCall, send: Send, submitted: float) -> bool:
    """Pass the response on. False if it was cut off: returning without the end of it closes the connection."""
    started = False
    while (frame := await call.next_frame()) is not None:
        if isinstance(frame, ResponseStart):
            started = True
            cold = frame.age < asyncio.get_running_loop().time() - submitted
            headers = [*frame.headers, (b"motet-cold-start", b"true" if cold else b"false")]
            await send({"type": "http.response.start", "status": frame.status, "headers": headers})
        elif isinstance(frame, Body):
            await send({"type": "http.response.body", "body": frame.data, "more_body": frame.more})
            if not frame.more:
                return True
    if not started and not call.gone:
        await _answer(send, answer_for(call.end), call.call_id)
        return True
    return False


async def _answer(send: Send, answer: Answer, call_id: str | None = None) -> None:
    headers = answer.headers(call_id)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _upload(call: WebCall, receive: Receive) -> None:
    """Pass the rest of the body on, then watch for the loss of the client."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            call.leave(GONE, LEAVE_PATIENCE)
            return
        await call.feed(Body(message.get("body", b""), message.get("more_body", False)))


def _place_scope(scope: Scope, place: Place) -> None:
    """Tell the app under which path it is mounted; the path of its root ends with a slash."""
    scope["root_path"] = place.root_path
    if place.root_path and scope["path"] == place.root_path:
        scope["path"] += "/"
        if scope.get("raw_path") is not None:
            scope["raw_path"] += b"/"


def _parameter(type_name: str, text: str) -> Any:
    if type_name == "int":
        return int(text)
    if type_name == "bool":
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() in ("true", "1")
    return text.encode() if type_name == "bytes" else text
