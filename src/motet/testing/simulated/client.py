"""A client of a simulated world: the real connection and the real link, with a program that calls, cancels and reads again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from motet.client.connection import Connection
from motet.client.resuming_link import ResumingLink
from motet.errors import ConnectionError
from motet.model.function import AppSpec
from motet.model.outcome import CallKind, InputEnd, NewInput
from motet.testing.history_events import (
    CancelAsked,
    ClientTurnedAway,
    Event,
    InputSubmitted,
    ItemsSeen,
    OutcomeDenied,
    OutcomeSeen,
    SpawnAcknowledged,
)
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.simulated.script import Script, ScriptItem, encoded, item_of, result_of
from motet.wire import client_messages as m
from motet.wire.hello import Hello

ADDRESS = "simulated:server"
STREAMING = "/stream"
"""How names of functions end whose inputs yield items."""


def key_of(call_id: str, index: int) -> str:
    """How an input is named in a history."""
    return f"{call_id}#{index}"


class _ScriptedCall:
    """Whoever waits for one call: writes down what comes."""

    def __init__(self, client: ScriptedClient, call_id: str, count: int) -> None:
        self.over = asyncio.Event()
        self.left = set(range(count))
        self._client = client
        self._call_id = call_id

    def ended(self, ended: list[InputEnd]) -> None:
        for end in ended:
            self._client.saw(self._call_id, end)
            self.left.discard(end.index)
        if not self.left:
            self._client.soon(self.over.set)

    def items(self, items: list[bytes]) -> None:
        self._client.saw_items(items)
        self._client.soon(partial(self._client.took_items, self._call_id, len(items)))

    def lost(self, error: Exception) -> None:
        for index in sorted(self.left):
            self._client.was_denied(key_of(self._call_id, index), error)
        self._client.soon(self.over.set)


class ScriptedClient:
    """One program. `run` is all it does; `spawned` has the calls that it was told were taken."""

    def __init__(
        self,
        process: SimulatedProcess,
        dice: Random,
        write: Callable[[Event], None],
        app: AppSpec,
        *,
        calls: int,
        spawns: bool,
        patience: float = 60.0,
    ) -> None:
        self.process = process
        self.spawned: list[tuple[str, int]] = []
        self.is_done = False
        self._dice = dice
        self._write = write
        self._app = app
        self._calls = calls
        self._spawns = spawns
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._connection = Connection()
        self._numbers = 0
        self._functions: dict[str, str] = {}

    # --- what it saw --------------------------------------------------------------------------------------------------

    def saw(self, call_id: str, end: InputEnd) -> None:
        """An outcome is here."""
        result = result_of(end.kind, end.payload)
        key = key_of(call_id, end.index)
        self._write(
            OutcomeSeen(
                at=self._loop.time(),
                key=key,
                reader=self.process.name,
                kind=end.kind,
                attempt=None if result is None or result.key != key else result.attempt,
                text="" if result is not None else end.payload.decode(errors="replace"),
            )
        )

    def saw_items(self, items: list[bytes]) -> None:
        """Items of a stream are here: one event for those that follow each other."""
        first = item_of(items[0])
        count = 0
        for each in map(item_of, items):
            if each != ScriptItem(first.key, first.attempt, first.number + count):
                self._write_seen(first, count)
                first, count = each, 0
            count += 1
        self._write_seen(first, count)

    def _write_seen(self, first: ScriptItem, count: int) -> None:
        self._write(
            ItemsSeen(at=self._loop.time(), key=first.key, attempt=first.attempt, first=first.number, count=count)
        )

    def took_items(self, call_id: str, count: int) -> None:
        """They have been taken, and there is room for others."""
        with contextlib.suppress(ConnectionError):
            self._connection.ack_items(call_id, count)

    def was_denied(self, key: str, error: Exception) -> None:
        """There will be none here."""
        self._write(OutcomeDenied(at=self._loop.time(), key=key, reader=self.process.name, error=str(error)))

    def soon(self, act: Callable[[], object]) -> None:
        """On the loop, and not on the link's thread."""
        self._loop.call_soon(act)

    # --- its program --------------------------------------------------------------------------------------------------

    async def read_again(self, principal: str, calls: Sequence[tuple[str, int]]) -> None:
        """Read calls of a principal, each with so many inputs, as that; over as many connections as that takes."""
        await self.connect(principal)
        for call_id, count in calls:
            while not await self.read(call_id, count) and self._connection.ended:
                self._connection = Connection()
                await self.connect(principal)
        self.is_done = True

    async def connect(self, token: str) -> None:
        """Begin a conversation as this principal, once there is a server."""
        hello = Hello("client", token, confirms=True)
        while True:
            try:
                ResumingLink(ADDRESS, hello, self._connection, patience=self._patience)
                return
            except Exception:  # no server yet
                await asyncio.sleep(0.1)

    async def run(self) -> None:
        """Begin an app, make calls, and wait for all of them."""
        created: Any = None
        while self._connection.agreed is None and not isinstance(created, m.AppCreated):
            # A server that has not answered has begun no conversation: a program that is told so begins again.
            self._connection = Connection()
            await self.connect(self.process.name)
            created = await self.ask(m.CreateApp(f"ap-{self.process.name}", self._app, detached=True))
        if isinstance(created, m.AppCreated):
            self._functions = {name: function_id for _, name, function_id in created.functions}
            async with asyncio.TaskGroup() as group:
                for _ in range(self._calls):
                    await asyncio.sleep(self._dice.choice((0.0, 0.0, 0.01, 0.3, 2.0)))
                    group.create_task(self._call())
            for call_id, count in self.spawned:  # once more: what was read does not change
                await self.read(call_id, count)
        self.is_done = True

    async def ask(self, body: m.RequestBody) -> Any:
        """The answer to a request, or the exception that there is in place of one."""
        answered: asyncio.Future[Any] = self._loop.create_future()

        def on_reply(reply: Any) -> None:
            if not answered.done():
                answered.set_result(reply)

        try:
            self._connection.ask(body, on_reply)
        except Exception as error:
            answer: Any = error
        else:
            answer = await answered
        if isinstance(answer, ConnectionError) and self._connection.agreed is not None:
            self._write(ClientTurnedAway(at=self._loop.time(), client=self.process.name, error=str(answer)))
        return answer

    async def _call(self) -> None:
        self._numbers += 1
        call_id = f"fc-{self.process.name}x{self._numbers}"
        function = self._dice.choice(sorted(self._functions))
        streams = function.endswith(STREAMING)
        count = 1 if streams else self._dice.choice((1, 1, 2, 5))
        inputs = []
        for index in range(count):
            ends = self._dice.choices(("success", "failure", "death"), (80, 12, 8 if count == 1 else 0))[0]
            seconds = self._dice.choice((0.0, 0.01, 0.2, 1.0, 5.0))
            items = self._dice.choice((1, 3, 600)) if streams else 0
            script = Script(key_of(call_id, index), seconds, ends, items)  # type: ignore[arg-type]
            inputs.append(NewInput(index, encoded(script)))
        if streams:
            await self._attach(call_id, function, inputs, CallKind.STREAM)
        elif self._spawns and self._dice.random() < 0.5:
            await self._spawn(call_id, function, inputs)
        else:
            await self._attach(call_id, function, inputs, CallKind.ATTACHED)

    def _submitted(self, call_id: str, function: str, inputs: list[NewInput], kind: CallKind) -> None:
        for new in inputs:
            self._write(
                InputSubmitted(
                    at=self._loop.time(),
                    key=key_of(call_id, new.index),
                    client=self.process.name,
                    function=function,
                    spawned=kind is CallKind.SPAWNED,
                    streams=kind is CallKind.STREAM,
                )
            )

    async def _attach(self, call_id: str, function: str, inputs: list[NewInput], kind: CallKind) -> None:
        call = _ScriptedCall(self, call_id, len(inputs))
        self._submitted(call_id, function, inputs, kind)
        self._connection.open_call(call_id, call)
        try:
            for place in range(0, len(inputs), 2):
                part = inputs[place : place + 2]
                self._connection.submit(call_id, self._functions[function], kind, "", part, None)
                await asyncio.sleep(self._dice.choice((0.0, 0.0, 0.1)))
        except Exception as error:
            call.lost(error)
        if self._dice.random() < 0.15:
            await asyncio.sleep(self._dice.choice((0.0, 0.1, 1.5)))
            for index in sorted(call.left):
                self._write(CancelAsked(at=self._loop.time(), key=key_of(call_id, index)))
            if call.left:
                self._connection.close_call(call_id, cancel=True)
                return
        await call.over.wait()
        self._connection.close_call(call_id, cancel=False)

    async def _spawn(self, call_id: str, function: str, inputs: list[NewInput]) -> None:
        self._submitted(call_id, function, inputs, CallKind.SPAWNED)
        function_id = self._functions[function]
        answer = await self.ask(m.SubmitInputs(call_id, function_id, CallKind.SPAWNED, "", inputs))
        if not isinstance(answer, m.Done):
            return
        for new in inputs:
            self._write(SpawnAcknowledged(at=self._loop.time(), key=key_of(call_id, new.index)))
        self.spawned.append((call_id, len(inputs)))
        if self._dice.random() < 0.8:
            await self.read(call_id, len(inputs))

    async def read(self, call_id: str, count: int) -> bool:
        """Read all outcomes of a spawned call, whoever made it; whether they came."""
        index = 0
        while index < count:
            answer = await self.ask(m.AwaitOutcomes(call_id, index))
            if not isinstance(answer, m.Outcomes):
                error = answer if isinstance(answer, Exception) else RuntimeError(str(answer))
                self.was_denied(key_of(call_id, index), error)
                return False
            for end in answer.ended:
                self.saw(call_id, end)
            index += max(1, len(answer.ended))
        return True
