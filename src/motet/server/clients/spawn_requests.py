"""One client's requests that have calls spawned: what may be accepted of them goes on to `SpawnedCalls`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from motet.core.events import InputsSubmitted
from motet.errors import InvalidError
from motet.model.outcome import CallKind
from motet.server.clients.asker import Asker
from motet.server.clients.refusals import refusal
from motet.server.clients.shared_parts import SharedParts
from motet.server.clients.spawned import SpawnedInputs, SpawnKey
from motet.server.clients.turnstile import Turnstile
from motet.wire import client_messages as m

MAX_SPAWNED_AT_ONCE = 1000
"""Inputs of a spawned call in one request: they are let in together, if there is room for any."""


class Spawner(Asker, Protocol):
    """Whose requests they are: a client session."""

    def submitted(self, message: m.SubmitInputs, function_id: str) -> InputsSubmitted:
        """What is said to the engine of inputs."""
        ...

    def is_believed(self) -> bool:
        """Whether what it says again had been let in by a server before this one."""
        ...


class SpawnRequests:
    """`number_is_used` is told of the number of each request that did not come by itself."""

    def __init__(
        self,
        spawner: Spawner,
        parts: SharedParts,
        turnstile: Turnstile,
        number_is_used: Callable[[int], None],
    ) -> None:
        self._spawner = spawner
        self._turnstile = turnstile
        self._number_is_used = number_is_used
        self._driver = parts.driver
        self._catalogue = parts.catalogue
        self._lifetimes = parts.lifetimes
        self._names = parts.names
        self._calls = parts.calls

    def spawn(self, request_id: int, body: m.SubmitInputs) -> m.ReplyBody | None:
        """Answer now, or see to the answer later. Raises why it is refused."""
        accepted = body.again and self._spawner.is_believed()
        if (over := self._turnstile.over_inputs(len(body.inputs), accepted=accepted)) is not None:
            raise over
        function_id = self._names.of_call(body.call_id, body.function_id, body.inputs, body.again)
        if body.kind is not CallKind.SPAWNED:
            if body.inputs:
                self._driver.take(self._spawner.submitted(body, function_id))
            return m.Done()
        return self._calls.spawn(self._spawner, request_id, self._to_spawn(body, function_id))

    def spawn_once(self, request_id: int, body: m.SpawnOnce) -> m.ReplyBody | None:
        """The same, under a key."""
        asked = msgspec.structs.replace(body.inputs, kind=CallKind.SPAWNED)
        if (over := self._turnstile.over_inputs(len(asked.inputs))) is not None:
            raise over
        function_id = self._names.of_call(asked.call_id, asked.function_id, asked.inputs, asked.again)
        spawn = self._to_spawn(asked, function_id)
        key = SpawnKey.of(body.key, spawn.event, spawn.called_as)
        return self._calls.spawn_once(self._spawner, request_id, spawn, key)

    def spawn_all(self, requests: Sequence[m.Request]) -> None:
        """Those that came together, all of them `is_new_spawn`: what is the same for calls of one function is found out once.
        Each is answered."""
        spawns: list[tuple[int, SpawnedInputs]] = []
        kept_as: dict[str, str] = {}
        for request in requests:
            number, body = request.request_id, request.body
            assert isinstance(body, m.SubmitInputs)
            self._number_is_used(number)
            try:
                if not self._turnstile.is_open:
                    self._turnstile.enter(number)
                    if (over := self._turnstile.over_inputs(len(body.inputs))) is not None:
                        raise over
                function_id = self._names.of_call(body.call_id, body.function_id, body.inputs)
                app = kept_as.get(function_id)
                if app is None:
                    app = kept_as[function_id] = self._kept_as(function_id)
                spawns.append((number, self._spawned(body, function_id, app)))
            except Exception as error:
                self._spawner.reply(number, refusal(body, error))
        if spawns:
            self._calls.spawn_all(self._spawner, spawns)

    def _to_spawn(self, body: m.SubmitInputs, function_id: str) -> SpawnedInputs:
        return self._spawned(body, function_id, self._kept_as(function_id))

    def _kept_as(self, function_id: str) -> str:
        """As whose spawned inputs of a function are kept. Raises why none is accepted now."""
        app_id = self._catalogue.app_of(function_id).app_id
        principal = self._spawner.principal
        if full := self._driver.engine.inspection.refusal(function_id, CallKind.SPAWNED, principal):
            raise full
        self._turnstile.check_stored(0, self._calls.kept_for(principal))
        return self._lifetimes.calls_of(app_id)

    def _spawned(self, body: m.SubmitInputs, function_id: str, app: str) -> SpawnedInputs:
        if len(body.inputs) > MAX_SPAWNED_AT_ONCE:
            raise InvalidError(
                f"{len(body.inputs)} inputs of a spawned call came at once; {MAX_SPAWNED_AT_ONCE} may, and then more"
            )
        called_as = body.function_id if body.function_id != function_id else ""
        event = self._spawner.submitted(body, function_id)
        return SpawnedInputs(event, self._driver.take, app, called_as, body.again)


def is_new_spawn(body: m.RequestBody) -> bool:
    """Whether a request asks that a call be spawned, for the first time."""
    return isinstance(body, m.SubmitInputs) and body.kind is CallKind.SPAWNED and not body.again
