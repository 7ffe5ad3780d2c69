"""The ingress: takes HTTP requests and WebSockets for web functions, and has each run as an input of its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from motet.errors import Error, InvalidError, ResourceExhaustedError, ServiceError
from motet.model.function import FunctionVariant
from motet.server.apps.catalogue import ServedApp
from motet.server.apps.web_owner import NOBODY, WebOwner
from motet.server.clients.session import ClientSession
from motet.server.http import websocket
from motet.server.http.answers import NOT_FOUND, Answer, too_much
from motet.server.http.calls import WebCall, WebCalls
from motet.server.http.config import WebConfig
from motet.server.http.crowd import Crowd
from motet.server.http.doors import Doors
from motet.server.http.exchange import Exchange, give
from motet.server.http.forwarded import settle
from motet.server.http.listener import Listener
from motet.server.http.own_cookies import without_own
from motet.server.http.parked import Parked, called_for, redirect
from motet.server.http.proxy_tokens import HOW_TO_SET, without_tokens
from motet.server.http.query import split_query
from motet.server.http.routes import Route, RouteMatch, Routes
from motet.server.http.rules import IDEMPOTENT
from motet.wire.asgi import Receive, Scope, Send
from motet.wire.parameters import checked_parameters, encoded_parameters
from motet.wire.web import RequestHead

Bind = Callable[[str, FunctionVariant], str]
Refusal = Callable[[str], ResourceExhaustedError | None]

CHALLENGE = ((b"www-authenticate", b"Motet-Key"),)
"""HTTP wants a 401 to name a scheme; this one is by headers of its own."""


class Ingress:
    """Web functions' way in. Listens from the first app on that has any.

    `refusal` tells why a function takes no more inputs; None if it takes some. `most`: requests to one app at once.
    """

    def __init__(
        self,
        config: WebConfig,
        connect: Callable[[WebCalls], ClientSession],
        bind: Bind,
        refusal: Refusal,
        most: int | None = None,
    ) -> None:
        self._crowd = Crowd(most)
        self._config = config
        self._routes = Routes(config.url)
        self._connect = connect
        self._bind = bind
        self._refusal = refusal
        self._prepared: dict[str, list[Route]] = {}
        """Of versions that are about to serve, by app."""
        self._calls: WebCalls | None = None
        self._parked = Parked(config.keep_responses)
        self._listener = Listener(config, self)
        self._doors = Doors(config, self._listener)

    def open(self, app: ServedApp, owner: WebOwner = NOBODY) -> list[tuple[str, str, str]]:
        """Take requests for an app's web functions; their URLs by function id and method.

        Raises `ServiceError` if requests cannot be taken, and `InvalidError` if two functions have one label, or one has
        that of another `owner`'s app, or needs
        proxy tokens and there are none.
        """
        if not self._has_web(app):
            return []
        routes = self._routes.add(app.app_id, app.spec.name, app.declared, owner)
        try:
            return self._opened(routes)
        except ServiceError:
            self.close(app.app_id)
            raise

    def _has_web(self, app: ServedApp) -> bool:
        web = [(function, spec) for function in app.spec.functions for it in function.methods if (spec := it.web)]
        for function, spec in web:
            if spec.requires_proxy_auth and not self._config.proxy_tokens:
                raise InvalidError(
                    f"{function.name} has `requires_proxy_auth=True`, and this server has no proxy tokens: {HOW_TO_SET}"
                )
        return bool(web)

    def _opened(self, routes: list[Route]) -> list[tuple[str, str, str]]:
        urls = self._doors.open([route.label for route in routes])
        if self._calls is None:
            self._calls = WebCalls(self._connect)
        return [(route.function_id, route.method, urls[route.label]) for route in routes]

    def close(self, app_id: str) -> None:
        """Take no more requests for an app, or a deployed app of this name; those under way go on."""
        self._routes.remove(app_id)
        self._close_doors()

    def _close_doors(self) -> None:
        prepared = {route.label for routes in self._prepared.values() for route in routes}
        self._doors.close(lambda label: not self._routes.has(label) and label not in prepared)

    # --- deployed apps ------------------------------------------------------------------------------------------------

    def prepare(
        self, name: str, app: ServedApp, aliases: dict[str, str], owner: WebOwner
    ) -> list[tuple[str, str, str]]:
        """Be ready to take requests for a version of a deployed app, whose functions are found by `aliases`; their URLs by
        their own ids. Raises as `open` does, and `InvalidError` if another deployed app has one of the labels."""
        if not self._has_web(app):
            return []
        routes = self._routes.made(name, app.spec.name, app.declared, owner)
        self._routes.check(name, routes)
        self._prepared[app.app_id] = [replace(route, function_id=aliases[route.function_id]) for route in routes]
        try:
            return self._opened(routes)
        except ServiceError:
            self.abandon(app.app_id)
            raise

    def move(self, name: str, app_id: str) -> None:
        """Requests are for this version from now on, and for no other of its name."""
        self._routes.replace(name, self._prepared.pop(app_id, []))
        self._close_doors()

    def abandon(self, app_id: str) -> None:
        """A version that was prepared is not to come. Idempotent."""
        self._prepared.pop(app_id, None)
        self._close_doors()

    async def stop(self) -> None:
        """Stop listening."""
        self._parked.close()
        await self._listener.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as an ASGI app."""
        settle(scope, self._config.trusted_proxies)
        headers, scope["headers"] = scope["headers"], without_own(without_tokens(scope["headers"]))
        place = self._find(scope)
        if place is None or self._calls is None:
            await self._refuse(scope, receive, send, NOT_FOUND)
            return
        label = place.route.label
        if place.route.requires_proxy_auth:
            admitted = self._config.proxy_tokens.admit(headers)
            if isinstance(admitted, str):
                await self._refuse(scope, receive, send, Answer(401, admitted, CHALLENGE))
                return
            scope["headers"].append(admitted)

        def park(call: WebCall) -> Answer | None:
            if self._parked.full:
                return None
            self._parked.put(label, call)
            return redirect(call, next((value for name, value in scope["headers"] if name == b"origin"), None))

        exchange = Exchange(scope, receive, send, self._config.redirect_after, park)
        if (wanted := _come_back_for(scope)) is not None:
            found = self._parked.take(label, wanted, scope["method"])
            if isinstance(found, Answer):
                await give(send, found)
            else:
                await exchange.carry(found, True)
            return
        try:
            target = self._target(place.route, scope)
        except ResourceExhaustedError as error:
            await self._refuse(scope, receive, send, too_much(error))
            return
        except (Error, TypeError, ValueError) as error:
            await self._refuse(scope, receive, send, Answer(400, str(error)))
            return
        full = self._crowd.refusal(place.route.app_id, place.route.function.app_name) or self._refusal(target)
        if full is not None:
            await self._refuse(scope, receive, send, too_much(full))
            return
        _place_scope(scope, place)
        with self._crowd.one_more(place.route.app_id):
            if scope["type"] == "websocket":
                await websocket.serve(scope, receive, send, lambda head: self._submit(target, place, head))
            else:
                await exchange.serve(lambda head: self._submit(target, place, head))

    def _find(self, scope: Scope) -> RouteMatch | None:
        """The function that a request is for: where it came in says it, or else what it is for."""
        port = scope["server"][1] if scope["server"] is not None else None
        if (owner := self._doors.owner(port)) is not None:
            return self._routes.labelled(owner)
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        return self._routes.find(host, scope["path"], self._doors.first(port))

    def _submit(self, function_id: str, place: RouteMatch, head: RequestHead) -> WebCall:
        assert self._calls is not None
        route = place.route
        at_most_once = head.method not in IDEMPOTENT and not route.redeliver_non_idempotent
        return self._calls.open(function_id, route.method, head, at_most_once)

    def _target(self, route: Route, scope: Scope) -> str:
        """The pool that takes it: parameters of a class are taken from the query string."""
        parameters = {spec.name: spec.type_name for spec in route.function.parameters}
        if not parameters:
            return route.function_id
        texts, scope["query_string"] = split_query(scope["query_string"], parameters)
        given = {name: _parameter(parameters[name], text) for name, text in texts.items()}
        values = checked_parameters(route.function.parameters, given, route.function.name)
        encoded = encoded_parameters(values, route.function.name)
        return self._bind(route.function_id, FunctionVariant(parameters_given=encoded))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
        if scope["type"] == "websocket":
            await websocket.refuse(scope, receive, send, answer)
        else:
            await give(send, answer)


def _come_back_for(scope: Scope) -> str | None:
    """The call whose response a request comes back for, if it does."""
    fetches = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    return called_for(scope["query_string"]) if fetches else None


def _place_scope(scope: Scope, place: RouteMatch) -> None:
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
