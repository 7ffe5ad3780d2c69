"""What is logged of requests, where that is wanted: a line for each when it has been answered, and an id on all lines between.

The logger `motet.server.requests` is silent unless its level is INFO (MOTET_LOG_FORMAT=json, or the program's own logging). A
server that begins before that does without all of this.
"""

from __future__ import annotations

import contextvars
import itertools
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from motet.server.access.audit import Audit, SessionAudit, Somebody
from motet.server.access.audited import AUDITED, is_refusal, kind_of, why
from motet.wire.asgi import AsgiMessage, Receive, Scope, Send
from motet.wire.client_messages import ReplyBody, Request, RequestFailed

logger = logging.getLogger("motet.server.requests")

current_request: contextvars.ContextVar[str] = contextvars.ContextVar("motet_current_request", default="")
"""The id of the request that is being answered."""

_HEADER = b"x-request-id"
_GIVEN = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_numbers = itertools.count(1)

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def session_audit(audit: Audit | None, by: Somebody, number: int) -> SessionAudit:
    """What a session with this number tells of what its client asks."""
    return LoggedAudit(audit, by, number) if logger.isEnabledFor(logging.INFO) else SessionAudit(audit, by)


def logged(app: AsgiApp, user: str) -> AsgiApp:
    """An app for these users, with its requests logged if that is wanted."""
    return LoggedApp(app, user) if logger.isEnabledFor(logging.INFO) else app


class LoggedAudit(SessionAudit):
    """Also logs: what the audit log is for, and whatever fails. Looking and calling succeed too often to be told."""

    def __init__(self, audit: Audit | None, by: Somebody, number: int) -> None:
        super().__init__(audit, by)
        self._somebody = by
        self._number = number
        self._began: dict[int, tuple[type[Any], float]] = {}

    def asked(self, request: Request) -> None:
        """See `SessionAudit`."""
        super().asked(request)
        current_request.set(self._id(request.request_id))
        self._began[request.request_id] = type(request.body), time.monotonic()

    def answered(self, request_id: int, body: ReplyBody) -> None:
        """See `SessionAudit`."""
        super().answered(request_id, body)
        kind, began = self._began.pop(request_id, (type(None), 0.0))
        fields = {"request_id": self._id(request_id), "seconds": round(time.monotonic() - began, 6)}
        if kind is type(None):
            return
        if isinstance(body, RequestFailed):
            self._tell(kind, "refused" if is_refusal(body) else "failed", why(body), fields)
        elif kind in AUDITED:
            self._tell(kind, "done", "", fields)

    def denied(self, kind: type[Any], reason: str) -> None:
        """See `SessionAudit`."""
        super().denied(kind, reason)
        self._tell(kind, "refused", reason, {})

    def close(self) -> None:
        """See `SessionAudit`."""
        super().close()
        self._began.clear()

    def _id(self, request_id: int) -> str:
        return f"{self._number}-{request_id}"

    def _tell(self, kind: type[Any], outcome: str, reason: str, fields: dict[str, Any]) -> None:
        by = self._somebody
        fields |= {"what": kind_of(kind), "outcome": outcome, "who": by.who, "where": by.where}
        if reason:
            fields["why"] = reason
        logger.info("%s: %s", fields["what"], outcome, extra={"fields": fields})


class LoggedApp:
    """Gives each request of HTTP an id, the one that came with it or a new one, and tells it to the app's other end. A line
    has no query: there may be secrets in it."""

    def __init__(self, app: AsgiApp, user: str) -> None:
        self._app = app
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        came = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        request_id = came if _GIVEN.fullmatch(came) else b"http-%d" % next(_numbers)
        current_request.set(request_id.decode())
        status, began = 0, time.monotonic()

        async def sending(message: AsgiMessage) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept"):
                status = message.get("status", 101)
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != _HEADER]
                message = {**message, "headers": [*headers, (_HEADER, request_id)]}
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            fields = {
                "request_id": request_id.decode(),
                "for": self._user,
                "method": scope.get("method", "WEBSOCKET"),
                "path": scope["path"],
                "status": status or None,
                "seconds": round(time.monotonic() - began, 6),
                "client": (scope.get("client") or [None])[0],
            }
            logger.info("%s %s: %s", fields["method"], fields["path"], status or "cut off", extra={"fields": fields})
