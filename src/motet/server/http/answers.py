"""Answers that come from the server itself, because no app gave one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from motet.errors import ResourceExhaustedError
from motet.model.ids import input_id
from motet.model.outcome import InputEnd, OutcomeKind
from motet.wire import report
from motet.wire.web import Headers


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a line of text, and headers beside the usual ones. `retry_after`: seconds, told with a 503 or 429."""

    status: int
    text: str
    extra: tuple[tuple[bytes, bytes], ...] = ()
    retry_after: float = 1.0

    @property
    def body(self) -> bytes:
        return f"{self.text}\n".encode()

    def headers(self, call_id: str | None = None) -> Headers:
        """The headers that go with it; with a call's id, its input is named."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(self.body)).encode())]
        headers += self.extra
        if call_id is not None:
            headers.append((b"motet-input-id", input_id(call_id, 0).encode()))
        if self.status in (429, 503):
            headers.append((b"retry-after", str(math.ceil(self.retry_after)).encode()))
        return headers


def too_much(error: ResourceExhaustedError) -> Answer:
    """What a client is told that is to come again: 429 if a limit is reached, 503 if the queue is full."""
    return Answer(429 if error.limit else 503, str(error), retry_after=error.retry_after)


NOT_FOUND = Answer(404, "no web function has this URL; `f.get_web_url()` tells what URL a function has")

TOO_LATE = Answer(408, "Missing request, possibly due to expiry or cancellation", ((b"connection", b"close"),))


def answer_for(ended: InputEnd | None) -> Answer:
    """What a client is told whose input ended before its app answered."""
    if ended is None or ended.kind is OutcomeKind.SUCCESS:
        return Answer(500, "the app gave no response")
    summary = report.summary(ended.payload)
    if ended.kind is OutcomeKind.TIMED_OUT:
        return Answer(504, summary)
    if ended.kind is OutcomeKind.LOST:
        return Answer(502, summary)
    if ended.kind in (OutcomeKind.CANCELLED, OutcomeKind.REFUSED):
        return Answer(503, summary)
    return Answer(503, f"the function could not start: {summary}")
