"""Answers that take a while."""

from __future__ import annotations

import asyncio
import gc

from motet.server.clients.pending_answers import PendingAnswers
from motet.wire.client_messages import Done, ReplyBody, ViewCall


def test_what_is_not_wanted_any_more_before_it_has_begun_is_let_go_of() -> None:
    """Tests fail on coroutines that nobody awaits or closes."""
    replies: list[int] = []

    async def found() -> ReplyBody:
        return Done()

    async def main() -> None:
        pending = PendingAnswers(lambda request_id, _: replies.append(request_id))
        pending.add(1, ViewCall("fc-1"), found())
        pending.add(2, ViewCall("fc-2"), found())
        pending.forget(1)
        await asyncio.sleep(0.01)
        pending.close()

    asyncio.run(main())
    gc.collect()
    assert replies == [2]
