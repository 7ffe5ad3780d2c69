"""Answers that are there at the same moment, as after a commit: those of one client leave together."""

from __future__ import annotations

from collections.abc import Iterable

from motet.server.clients.asker import Asker
from motet.server.clients.refusals import answer
from motet.wire.client_messages import Outcomes, ReplyBody, RequestBody, ViewCall

MOST_BYTES = 256 * 1024
"""Of the outcomes in what leaves together: what is large has nothing to gain."""

_NO_REQUEST: RequestBody = ViewCall("")
"""Stands for the request in what is logged of an answer that cannot be sent."""


class GatheredAnswers:
    """From when they are added until they are sent; those of a client stay in order."""

    def __init__(self) -> None:
        self._of: dict[int, _OfAsker] = {}

    def add(self, asker: Asker, request_id: int, body: ReplyBody) -> None:
        """To be sent with the next `send`, or now with those before it, if they are large."""
        found = self._of.get(asker.number)
        if found is None:
            found = self._of[asker.number] = _OfAsker(asker)
        found.answers.append((request_id, body))
        if isinstance(body, Outcomes):
            found.size += sum(len(each.payload) for each in body.ended)
            if found.size > MOST_BYTES:
                del self._of[asker.number]
                found.send()

    def add_all(self, asker: Asker, request_ids: Iterable[int], body: ReplyBody) -> None:
        """The same small answer to several requests, to be sent with the next `send`."""
        found = self._of.get(asker.number)
        if found is None:
            found = self._of[asker.number] = _OfAsker(asker)
        found.answers += [(request_id, body) for request_id in request_ids]

    def send(self) -> None:
        """All of them."""
        while self._of:
            self._of.popitem()[1].send()


class _OfAsker:
    __slots__ = ("answers", "asker", "size")

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.answers: list[tuple[int, ReplyBody]] = []
        self.size = 0

    def send(self) -> None:
        try:
            self.asker.reply_all(self.answers)
        except Exception:  # one of them has no bytes: the others do
            for request_id, body in self.answers:
                answer(lambda it, to=request_id: self.asker.reply(to, it), _NO_REQUEST, body)  # type: ignore[misc]
