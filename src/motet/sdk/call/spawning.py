"""Having many spawned inputs accepted: each is sent when it comes, and the answers are waited for together."""

from __future__ import annotations

import builtins
import contextlib
import itertools
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
MAX_UNANSWERED_CALLS = 1000
"""Requests without an answer yet: those with many inputs of one call, and those that are a call of one input each."""


def spawn_all(connection: Connection, groups: Iterable[list[SubmitInputs]], most: int = MAX_UNANSWERED) -> Steps[None]:
    """Send each group of requests as soon as it can be pulled, and return when all are accepted, however full the function's
    queue is. While `most` have no answer, no more are pulled: they go on when half of the answers are here.

    Raises what a request is refused with otherwise; those before it are accepted then.
    """
    spawning = _Spawning(connection)
    try:
        for group in groups:
            if group:
                spawning.ask(group)
            if spawning.unanswered >= most:
                yield from spawning.wait_accepted(most // 2)
        yield from spawning.wait_accepted(0)
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
        self._asked: dict[int, tuple[int, SubmitInputs]] = {}
        """Without an answer, or with one that was not looked at: by a number of their own, that of the connection too."""
        self._numbers = itertools.count()
        self._answers: deque[tuple[int, ReplyBody | Exception]] = deque()
        self._enough: tuple[int, Waiter[None]] | None = None
        """How many answers are waited for."""

    @property
    def unanswered(self) -> int:
        return len(self._asked)

    def ask(self, requests: list[SubmitInputs]) -> None:
        own = [next(self._numbers) for _ in requests]
        asked = [(body, partial(self._answered, number)) for body, number in zip(requests, own, strict=True)]
        numbers = self._connection.ask_all(asked)
        self._asked.update(zip(own, zip(numbers, requests, strict=True), strict=True))

    def _answered(self, number: int, reply: ReplyBody | Exception) -> None:
        """On the I/O thread."""
        self._answers.append((number, reply))
        enough = self._enough
        if enough is not None and len(self._answers) >= enough[0]:
            enough[1].set(None)

    def wait_accepted(self, rest: int) -> Steps[None]:
        """Wait until no more than `rest` have no answer; what was refused because too much waits is sent again."""
        while (count := len(self._asked) - rest) > 0:
            # There before the answers are counted: the last one finds it, or is counted.
            waiter: Waiter[None] = Waiter()
            self._enough = count, waiter
            if len(self._answers) < count:
                yield waiter
            self._enough = None
            if refused := self._refused():
                with contextlib.suppress(builtins.TimeoutError):
                    yield Waiter[None](max(error.retry_after for _, error in refused))
                self.ask([request for request, _ in refused])

    def _refused(self) -> list[tuple[SubmitInputs, ResourceExhaustedError]]:
        refused = []
        while self._answers:
            own, reply = self._answers.popleft()
            _, request = self._asked.pop(own)
            try:
                checked(reply)
            except ResourceExhaustedError as full:
                refused.append((request, full))
        return refused

    def close(self) -> None:
        """No answer is waited for any more. Idempotent."""
        for number, _ in self._asked.values():
            self._connection.forget(number)
