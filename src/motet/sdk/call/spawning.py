"""Having many spawned inputs accepted: each is sent when it comes, and the answers are waited for together."""

from __future__ import annotations

import builtins
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial

from motet.client.connection import Connection, checked
from motet.client.dual import Steps
from motet.client.waiter import Waiter
from motet.errors import ResourceExhaustedError
from motet.model.outcome import NewInput
from motet.wire.client_messages import ReplyBody, SubmitInputs

CHUNK_INPUTS = 100
CHUNK_BYTES = 1024 * 1024
MAX_UNANSWERED = 100
"""Requests without an answer yet."""


def spawn_all(connection: Connection, requests: Iterable[SubmitInputs]) -> Steps[None]:
    """Send each request as soon as it can be pulled, and return when all are accepted, however full the function's queue is.

    Raises what a request is refused with otherwise; those before it are accepted then.
    """
    spawning = _Spawning(connection)
    try:
        for request in requests:
            spawning.ask(request)
            if spawning.unanswered >= MAX_UNANSWERED:
                yield from spawning.wait_accepted()
        yield from spawning.wait_accepted()
    finally:
        spawning.close()


def in_chunks(payloads: Iterable[bytes], *, together: bool, first: int = 0) -> Iterator[list[NewInput]]:
    """A call's inputs as its requests carry them: several in each, or one by one. One request at least makes the call."""
    chunk: list[NewInput] = []
    index, size = -1, 0
    for index, data in enumerate(payloads, first):
        chunk.append(NewInput(index, data))
        size += len(data)
        if not together or len(chunk) == CHUNK_INPUTS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk or index < 0:
        yield chunk


class _Spawning:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked: dict[int, SubmitInputs] = {}
        self._answers: deque[tuple[SubmitInputs, ReplyBody | Exception]] = deque()
        self._all_here: Waiter[None] | None = None

    @property
    def unanswered(self) -> int:
        return len(self._asked)

    def ask(self, request: SubmitInputs) -> None:
        number = self._connection.ask(request, partial(self._answered, request))
        self._asked[number] = request

    def _answered(self, request: SubmitInputs, reply: ReplyBody | Exception) -> None:
        """On the I/O thread."""
        self._answers.append((request, reply))
        waiter = self._all_here
        if waiter is not None and len(self._answers) >= len(self._asked):
            waiter.set(None)

    def wait_accepted(self) -> Steps[None]:
        """Wait for the answers; what was refused because too much waits is sent again."""
        while self._asked:
            # There before the answers are counted: the last one finds it, or is counted.
            self._all_here = Waiter()
            if len(self._answers) < len(self._asked):
                yield self._all_here
            self._all_here = None
            self._asked.clear()
            refused = self._refused()
            if refused:
                with contextlib.suppress(builtins.TimeoutError):
                    yield Waiter[None](max(error.retry_after for _, error in refused))
            for request, _ in refused:
                self.ask(request)

    def _refused(self) -> list[tuple[SubmitInputs, ResourceExhaustedError]]:
        refused = []
        while self._answers:
            request, reply = self._answers.popleft()
            try:
                checked(reply)
            except ResourceExhaustedError as full:
                refused.append((request, full))
        return refused

    def close(self) -> None:
        """No answer is waited for any more. Idempotent."""
        for number in self._asked:
            self._connection.forget(number)
