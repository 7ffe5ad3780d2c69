"""Who asks for what the server may have only later: it is answered when that is there."""

from __future__ import annotations

from typing import Protocol

from motet.wire.client_messages import ReplyBody


class Asker(Protocol):
    """A client session."""

    number: int
    principal: int

    def reply(self, request_id: int, body: ReplyBody) -> None: ...
