"""Whether a server lives and is ready, over HTTP, for whoever asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from motet.server.health import READY, Health

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class HealthApp:
    """Says in a word whether the server lives (`/livez`) and is ready (`/readyz`: 200, or 503), to anybody; an ASGI app. All
    else is for `app`; None: it lacks packages, for the reason that is said."""

    def __init__(self, health: Health, app: Callable[[Any, Receive, Send], Awaitable[None]] | None, lack: str) -> None:
        self._health = health
        self._app = app
        self._lack = lack

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"]
        if path not in ("/livez", "/readyz") and self._app is not None:
            await self._app(scope, receive, send)
            return
        status, word = HTTPStatus.OK, "ok"
        if path not in ("/livez", "/readyz"):
            status, word = HTTPStatus.SERVICE_UNAVAILABLE, self._lack
        elif scope["method"] not in ("GET", "HEAD"):
            status, word = HTTPStatus.METHOD_NOT_ALLOWED, "GET or HEAD"
        elif path == "/readyz" and self._health.state != READY:
            status, word = HTTPStatus.SERVICE_UNAVAILABLE, self._health.state
        body = f"{word}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})
