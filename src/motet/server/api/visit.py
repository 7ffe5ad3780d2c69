"""One HTTP request as a client of the server: it says what clients say, with the rights of its principal, and then leaves."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from motet.model.outcome import CallKind, InputEnd, NewInput
from motet.server.access.rights import LOOK, Right
from motet.server.api.problems import Problem, ServerEnding, of_failure
from motet.wire import client_messages as m
from motet.wire import report
from motet.wire.message import Message


class Entered(Protocol):
    """Who was let in by the door (see `Guest`)."""

    def receive(self, messages: Sequence[Any]) -> None: ...

    def disconnected(self) -> None: ...


class CallArrivals:
    """What comes of a call that this request waits for."""

    def __init__(self) -> None:
        self.items: deque[bytes] = deque()
        self.end: InputEnd | None = None
        self.came = asyncio.Event()


class Visit:
    """The peer of a session. `enter` before anything is said, `leave` in any case: what only this request wanted ends then."""

    unsent_bytes = 0

    def __init__(self, rights: Right) -> None:
        self._rights = rights
        self._entered: Entered | None = None
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._calls: dict[str, CallArrivals] = {}
        self._end: Problem | None = None

    @property
    def may_look(self) -> bool:
        """Whether tracebacks are for who asks."""
        return bool(self._rights & LOOK)

    def enter(self, entered: Entered) -> None:
        """Be this client from now on."""
        self._entered = entered

    def leave(self) -> None:
        """The request is over. Idempotent."""
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.disconnected()

    # --- towards the server -------------------------------------------------------------------------------------------

    def say(self, *messages: Any) -> None:
        """Send without an answer."""
        if self._end is not None:
            raise self._end
        assert self._entered is not None
        self._entered.receive(messages)

    async def ask(self, body: m.RequestBody) -> Any:
        """The reply's body. Raises `Problem` for a request that is refused."""
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self.say(m.Request(number, body))
        try:
            found = await reply
        finally:
            if self._replies.pop(number, None) is not None and not reply.done() and self._end is None:
                self.say(m.Forget(number))
        if isinstance(found, m.RequestFailed):
            raise of_failure(report.read(found.failure))
        return found

    def submit(
        self, call_id: str, function_id: str, kind: CallKind, method: str, data: bytes, trace: str
    ) -> CallArrivals:
        """Make a call with one input, for whose end this request waits."""
        arrivals = self._calls[call_id] = CallArrivals()
        self.say(m.SubmitInputs(call_id, function_id, kind, method, [NewInput(0, data)], trace=trace))
        return arrivals

    async def wait_end(self, arrivals: CallArrivals) -> InputEnd:
        """How a call ended."""
        while arrivals.end is None:
            await self._wait(arrivals)
        return arrivals.end

    async def wait_items(self, arrivals: CallArrivals) -> bool:
        """Return when there are items, or, as False, when there will be none any more."""
        while not arrivals.items:
            if arrivals.end is not None:
                return False
            await self._wait(arrivals)
        return True

    async def _wait(self, arrivals: CallArrivals) -> None:
        if self._end is not None:
            raise self._end
        arrivals.came.clear()
        await arrivals.came.wait()

    # --- as a peer ----------------------------------------------------------------------------------------------------

    def send(self, messages: Sequence[Message]) -> None:
        """What the server tells this client."""
        for message in messages:
            if isinstance(message, m.Reply):
                reply = self._replies.pop(message.request_id, None)
                if reply is not None and not reply.done():
                    reply.set_result(message.body)
            elif isinstance(message, m.Outcomes):
                self._arrived(message.call_id, end=message.ended[0])
            elif isinstance(message, m.CallItems):
                self._arrived(message.call_id, items=message.items)
            elif isinstance(message, m.Broken):
                self._over(Problem("server-failed", report.summary(message.failure)))

    def _arrived(self, call_id: str, items: Sequence[bytes] = (), end: InputEnd | None = None) -> None:
        arrivals = self._calls.get(call_id)
        if arrivals is not None:
            arrivals.items.extend(items)
            arrivals.end = end or arrivals.end
            arrivals.came.set()

    def refuse(self, reason: str) -> None:
        """Its principal may not stay."""
        self._over(Problem("not-authenticated", reason))

    def close(self) -> None:
        """The server ends."""
        running = next((call_id for call_id, arrivals in self._calls.items() if arrivals.end is None), None)
        self._over(ServerEnding() if running is None else ServerEnding.amid(running))

    def _over(self, problem: Problem) -> None:
        """Whoever waits for anything is told. The first reason counts."""
        if self._end is None:
            self._end = problem
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(problem)
            self._replies.clear()
            for arrivals in self._calls.values():
                arrivals.came.set()
