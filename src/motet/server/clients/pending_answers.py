"""Answers that take a while, while others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from motet.server.clients.refusals import answer, refusal
from motet.wire.client_messages import ReplyBody, RequestBody


class PendingAnswers:
    """Those of one client."""

    def __init__(self, reply: Callable[[int, ReplyBody], None]) -> None:
        self._reply = reply
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def add(self, request_id: int, request: RequestBody, found: Coroutine[Any, Any, ReplyBody]) -> None:
        """Reply when it is found."""
        task = asyncio.get_running_loop().create_task(self._find(request_id, request, found))
        self._tasks[request_id] = task

        def over(_: asyncio.Task[None]) -> None:
            self._tasks.pop(request_id, None)
            found.close()  # it may not have begun, if nobody wanted it any more by then

        task.add_done_callback(over)

    async def _find(self, request_id: int, request: RequestBody, found: Coroutine[Any, Any, ReplyBody]) -> None:
        try:
            body = await found
        except Exception as error:
            body = refusal(request, error)
        answer(lambda body: self._reply(request_id, body), request, body)

    def forget(self, request_id: int) -> None:
        """This one is not wanted any more. Idempotent."""
        if (task := self._tasks.pop(request_id, None)) is not None:
            task.cancel()

    def close(self) -> None:
        """None is wanted any more."""
        for request_id in list(self._tasks):
            self.forget(request_id)
