"""Who asks for what the server may have only later: it is answered when that is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from motet.wire.client_messages import ReplyBody


class Asker(Protocol):
    """A client session."""

    number: int
    principal: int

    def reply(self, request_id: int, body: ReplyBody) -> None: ...

    def reply_all(self, answers: Sequence[tuple[int, ReplyBody]]) -> None:
        """The same for several requests, in one message to the client: all are answered, or, if it raises, none."""
