"""A request as ASGI has it, made into the input of its function."""

from __future__ import annotations

from motet.wire.asgi import Scope
from motet.wire.web import RequestHead


def head_of(scope: Scope, body: bytes, complete: bool, waits: bool = False) -> RequestHead:
    """A request as the input of its function. `waits`: its client sends no body before it is asked to."""
    client, server = scope.get("client"), scope.get("server")
    return RequestHead(
        scope["type"],
        scope.get("method", "GET"),
        scope["scheme"],
        scope["http_version"],
        scope["path"],
        scope.get("raw_path"),
        scope["query_string"],
        scope["root_path"],
        list(scope["headers"]),
        None if client is None else tuple(client),
        None if server is None else tuple(server),
        list(scope.get("subprotocols", ())),
        "websocket.http.response" in scope.get("extensions", {}),
        body,
        complete,
        waits,
    )
