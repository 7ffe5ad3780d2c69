"""What went wrong, as HTTP says it: a status, and a document of the type application/problem+json (RFC 9457)."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from motet.errors import Error
from motet.model.outcome import InputEnd, OutcomeKind
from motet.wire import report

Json = dict[str, Any]

TYPE = "urn:motet:problem:"
"""What the types of problems begin with: names, nothing is found there."""

TITLES = {
    "bad-request": (400, "The request cannot be understood"),
    "bad-arguments": (422, "The function does not take these arguments"),
    "not-authenticated": (401, "Who asks is not known here"),
    "not-allowed": (403, "The token does not give the right to this"),
    "not-found": (404, "There is no such thing here"),
    "method-not-allowed": (405, "This cannot be done there"),
    "not-acceptable": (406, "The answer is not in an encoding that the request accepts"),
    "conflict": (409, "What is there does not allow this"),
    "cancelled": (409, "The call was cancelled"),
    "expired": (410, "The result is gone"),
    "too-large": (413, "The request is too large"),
    "unsupported-encoding": (415, "The body is in an encoding that is not known here"),
    "wrong-host": (421, "This server is not known by that name"),
    "key-reused": (422, "The idempotency key was used for another request"),
    "exhausted": (429, "Too much waits already"),
    "function-failed": (500, "The function raised an exception"),
    "server-failed": (500, "The server failed"),
    "unimplemented": (501, "This is not there yet"),
    "container-lost": (502, "The container ended while it ran the call"),
    "unavailable": (503, "The server cannot do this now"),
    "timed-out": (504, "It took longer than it may"),
}
"""By the end of the type."""

_BY_ERROR = {
    "ArgumentError": "bad-arguments",
    "InvalidError": "bad-request",
    "DeserializationError": "bad-request",
    "VersionError": "bad-request",
    "NotFoundError": "not-found",
    "AlreadyExistsError": "conflict",
    "ConflictError": "conflict",
    "AuthError": "not-authenticated",
    "PermissionDeniedError": "not-allowed",
    "RequestSizeError": "too-large",
    "OutputExpiredError": "expired",
    "ResourceExhaustedError": "exhausted",
    "UnimplementedError": "unimplemented",
    "ServiceError": "unavailable",
    "ConnectionError": "unavailable",
    "TimeoutError": "timed-out",
}
"""Of the server's own errors."""

_READING = frozenset({"ArgumentError", "DeserializationError"})
"""Errors of a container that could not call the function with what it was sent."""


class Problem(Exception):
    """An answer that is none."""

    def __init__(self, slug: str, detail: str, *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.slug = slug
        self.status, self.title = TITLES[slug]
        self.detail = detail
        self.more = {name: value for name, value in more.items() if value is not None}
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["retry-after"] = str(max(1, math.ceil(retry_after)))
        if self.status == 401:
            self.headers["www-authenticate"] = 'Bearer realm="motet"'

    def document(self) -> bytes:
        """As JSON."""
        known = {"type": TYPE + self.slug, "title": self.title, "status": self.status, "detail": self.detail}
        return msgspec.json.encode({**known, **self.more})


class ServerEnding(Problem):
    """The server ends before it has answered. `may_have_run`: whether sending the request again may run it a second time; None:
    it runs nothing."""

    def __init__(
        self,
        then: str = "ask the next one",
        *,
        may_have_run: bool | None = None,
        call_id: str | None = None,
        **more: Any,
    ) -> None:
        detail = f"the server is ending: {then}"
        super().__init__("unavailable", detail, retry_after=1.0, may_have_run=may_have_run, call_id=call_id, **more)

    @classmethod
    def amid(cls, call_id: str) -> ServerEnding:
        """While it waited for a call that ends with the request."""
        return cls(
            f"{call_id} may have run, and its result is lost. Send the request again only if it may run twice; one with an "
            "Idempotency-Key runs once, and has its result from the next server",
            may_have_run=True,
            call_id=call_id,
        )

    @classmethod
    def before_accepting(cls, call_id: str, key: str | None) -> ServerEnding:
        """While it was accepting a call that outlives the request."""
        if key is not None:
            then = "send the request again with the same Idempotency-Key, and it runs once"
        else:
            then = f"if the next one knows {call_id}, that was accepted and runs; if not, send the request again"
        return cls(then, may_have_run=True, call_id=call_id if key is None else None)

    @classmethod
    def after_accepting(cls, call_id: str, result_url: str) -> ServerEnding:
        """While it waited for a call that outlives the request."""
        then = (
            f"{call_id} was accepted. Ask the next one for its result, or send the request again with the same "
            "Idempotency-Key"
        )
        return cls(then, may_have_run=True, call_id=call_id, result_url=result_url)


def of_error(error: Error) -> Problem:
    """One of the server's own."""
    return of_failure(report.read(report.of(error)))


def of_failure(failure: report.Failure) -> Problem:
    """A request that the server refused."""
    name = _own_name(failure)
    slug = _BY_ERROR.get(name, "server-failed")
    retry_after = failure.attributes.get("retry_after") if slug == "exhausted" else None
    return Problem(slug, failure.message or name, retry_after=retry_after)


def of_end(ended: InputEnd, call_id: str, *, may_look: bool) -> Problem:
    """An input that ended without a result. `may_look`: the traceback is for who asks."""
    failure = report.read(ended.payload)
    name = _own_name(failure)
    match ended.kind:
        case OutcomeKind.TIMED_OUT:
            slug = "timed-out"
        case OutcomeKind.CANCELLED:
            slug = "cancelled"
        case OutcomeKind.FAILURE:
            slug = _BY_ERROR[name] if name in _READING else "function-failed"
        case _:
            slug = _BY_ERROR.get(name, "container-lost")
    raised = {"type": failure.type_name, "message": failure.message}
    if may_look and failure.traceback:
        raised["traceback"] = failure.traceback
    detail = failure.message if slug != "function-failed" else report.summary(ended.payload)
    retry_after = failure.attributes.get("retry_after") if slug == "exhausted" else None
    return Problem(slug, detail, retry_after=retry_after, exception=raised, call_id=call_id)


def _own_name(failure: report.Failure) -> str:
    """The name of an error of Motet's own; empty for all others."""
    module, _, name = failure.type_name.rpartition(".")
    return name if module == "motet.errors" else ""
