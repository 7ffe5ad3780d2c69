"""A web function in its container: its app, from startup to shutdown, and the way of a request through it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import MutableMapping
from functools import partial
from typing import Any

from motet.errors import ExecutionError
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.attempts.outcomes import NONE, failed
from motet.runtime.loop.user_loop import allow_threads
from motet.runtime.processes import forked_child
from motet.runtime.web.client_left import is_about_client
from motet.runtime.web.request import WebRequest
from motet.wire.asgi import AsgiApp


class WebApp:
    """An ASGI app with its lifespan."""

    def __init__(self, app: AsgiApp) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None

    async def start(self, max_inputs: int) -> None:
        """Have the app start up; one that knows no lifespan is fine. Raises `ExecutionError` if it says that it failed."""
        allow_threads(max_inputs)
        self._lifespan = asyncio.create_task(self._live(), name="motet-lifespan")
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise ExecutionError(f"the app failed to start up: {answer.get('message') or 'it does not say why'}")

    async def stop(self) -> None:
        """Have the app shut down, if it started up."""
        if self._lifespan is None or self._lifespan.done():
            return
        answer = await self._ask("lifespan.shutdown")
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            print(f"the app failed to shut down: {answer.get('message')}", file=sys.stderr, flush=True)
        self._lifespan.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._lifespan

    async def _ask(self, what: str) -> MutableMapping[str, Any] | None:
        """The app's answer; None if it ended without one."""
        assert self._lifespan is not None
        self._to_app.put_nowait({"type": what})
        answer = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({answer, self._lifespan}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return None

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        received: list[str] = []

        async def receive() -> dict[str, Any]:
            message = await self._to_app.get()
            received.append(message["type"])
            return message

        try:
            await self.app(scope, receive, self._from_app.put)
        except Exception as error:
            # An app that does not know the lifespan raises, or returns: both mean that it has nothing to start. One that
            # has asked for it knows it.
            if received:
                again = "its requests are served all the same" if len(received) == 1 else "it was shutting down"
                print(f"the app raised in its lifespan ({again}):", file=sys.stderr)
                tb = error.__traceback__
                traceback.print_exception(type(error), error, tb and tb.tb_next)


async def serve(attempt: RunningAttempt) -> AttemptEnd:
    """Run a request through its app. Never raises, also when it is cancelled."""
    web: WebApp = attempt.call  # type: ignore[assignment]
    request = attempt.window
    assert isinstance(request, WebRequest)
    attempt.fail = partial(_failed, request)
    try:
        with attempt:
            await web.app(request.scope(web.state), request.receive, request.send)
            forked_child.leave()
            request.end()
            attempt.end = AttemptEnd(attempt.delivery.attempt, OutcomeKind.SUCCESS, NONE)
    finally:
        request.close()
    return attempt.end


def _failed(request: WebRequest, delivery: Delivery, error: BaseException, cancelled: bool) -> AttemptEnd:
    forked_child.leave(error)
    if is_about_client(error, request.told_of_leaving):
        if request.was_closed_well:
            return AttemptEnd(delivery.attempt, OutcomeKind.SUCCESS, NONE)
        return failed(delivery, asyncio.CancelledError(), True)  # not the app's fault: no traceback
    if not (cancelled and isinstance(error, asyncio.CancelledError)):
        request.fail()
    return failed(delivery, error, cancelled)
