"""Spawned calls: outcomes go to the store, and to whoever waits for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from motet.core.commands import SaveOutcomes, SaveTries
from motet.core.events import InputsSubmitted
from motet.errors import AlreadyExistsError, NotFoundError
from motet.model.outcome import InputEnd
from motet.server.clients.asker import Asker
from motet.server.clients.refusals import refusal
from motet.store.base import CallStore
from motet.store.journal import KeptApp
from motet.wire import report
from motet.wire.client_messages import (
    AwaitOutcomes,
    CallSpawned,
    CallViewed,
    Done,
    Outcomes,
    ReplyBody,
    RequestBody,
    RequestFailed,
    ViewCall,
)

MAX_AT_ONCE = 100
MAX_BYTES_AT_ONCE = 4 * 1024 * 1024
"""Whoever asks gets one outcome, and those that follow while they are small."""

_NO_REQUEST: RequestBody = ViewCall("")
"""Stands for the request in what is logged of one that failed."""


class SpawnedInputs(msgspec.Struct, frozen=True, gc=False):
    """Inputs that are to be accepted: the event that has them run, and what has the engine take such events. `app`: as whose
    they are kept; `called_as`: the alias that their caller used, or empty. `again`: they may have been accepted already."""

    event: InputsSubmitted
    take: Callable[..., None]
    app: str
    called_as: str = ""
    again: bool = False

    def run(self) -> None:
        """Have them run, if there are any: a call may begin without."""
        if self.event.inputs:
            self.take(self.event)


class SpawnKey(NamedTuple):
    """A key under which a call is spawned once: `name` has with it what it is unique in, `digest` what was asked."""

    text: str
    name: bytes
    digest: bytes

    @classmethod
    def of(cls, text: str, event: InputsSubmitted, called_as: str) -> SpawnKey:
        """Keys are a principal's, for a function and a method of it: versions have them in common."""
        principal = event.client if event.principal is None else event.principal
        name = _digest(str(principal), called_as or event.function_id, event.method, text)
        return cls(text, name, _digest(*(each.payload for each in event.inputs)))

    def taken(self, call_id: str) -> AlreadyExistsError:
        """What there is to say where another call has it."""
        return AlreadyExistsError(
            f"the key {self.text!r} was used for {call_id}, which has other arguments; another call needs another key"
        )


def _digest(*parts: str | bytes) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(len(data).to_bytes(8))
        found.update(data)
    return found.digest()


def within_bounds(found: list[InputEnd], size_of: Callable[[bytes], int] = len) -> list[InputEnd]:
    """The first outcome, and those that follow while all of them are small."""
    size = 0
    for place, each in enumerate(found):
        size += size_of(each.payload)
        if place and size > MAX_BYTES_AT_ONCE:
            return found[:place]
    return found


class SpawnedCalls:
    """Answers requests for outcomes, now or when they are there."""

    def __init__(self, store: CallStore, hold: Callable[[int, int], None] = lambda principal, size: None) -> None:
        """`hold` is told of bytes of outcomes more, or fewer, that are kept for a principal."""
        self.store = store
        self._hold = hold
        self._sizes: dict[str, int] = {}
        """Bytes of the outcomes of each call."""
        self._used: dict[bytes, tuple[str, bytes]] = {}
        self._names: dict[str, list[bytes]] = {}
        """Keys, and those of each call."""
        self._waiting: dict[tuple[str, int], dict[tuple[int, int], Asker]] = {}
        self._keys: dict[tuple[int, int], tuple[str, int]] = {}
        self._principals: dict[str, int] = {}
        """Whose each call is."""

    def kept_for(self, principal: int) -> int:
        """Bytes that are kept for a principal, and of which `hold` is not told."""
        return 0

    def claim(self, call_id: str, principal: int) -> None:
        """A principal makes this call, or adds to it. Raises `NotFoundError` if it is another's."""
        if self._principals.setdefault(call_id, principal) != principal:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server")

    def check_owner(self, call_id: str, principal: int | None) -> None:
        """Raise `NotFoundError` if a call is another's; None may see all."""
        if principal is not None and self._principals.get(call_id, principal) != principal:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server")

    # --- requests: each is answered now, or None is returned and the answer comes later -----------------------------------

    def spawn(self, asker: Asker, request_id: int, spawn: SpawnedInputs) -> ReplyBody | None:
        """Accept inputs, and have them run. Raises `NotFoundError` if their call is another's."""
        self.claim(spawn.event.call_id, asker.principal)
        self.store.add_inputs(spawn.app, spawn.event.function_id, spawn.event.call_id, len(spawn.event.inputs))
        spawn.run()
        return Done()

    def spawn_all(self, asker: Asker, spawns: Sequence[tuple[int, SpawnedInputs]]) -> None:
        """As `spawn`, of what one client has asked at the same moment, none of it `again`. Each is answered by itself."""
        for request_id, spawn in spawns:
            try:
                body = self.spawn(asker, request_id, spawn)
            except Exception as error:
                body = refusal(_NO_REQUEST, error)
            if body is not None:
                asker.reply(request_id, body)

    def spawn_once(self, asker: Asker, request_id: int, spawn: SpawnedInputs, key: SpawnKey) -> ReplyBody | None:
        """As `spawn`, unless a call has this key, which is the answer then. Raises `AlreadyExistsError` if that has other
        arguments."""
        call_id = spawn.event.call_id
        known = self._used.get(key.name)
        if known is not None and known[0] != call_id:
            if known[1] != key.digest:
                raise key.taken(known[0])
            return CallSpawned(known[0])
        self.spawn(asker, request_id, spawn)
        self._used[key.name] = call_id, key.digest
        self._names.setdefault(call_id, []).append(key.name)
        return CallSpawned(call_id)

    def view(self, asker: Asker, request_id: int, body: ViewCall, by: int | None) -> ReplyBody | None:
        """How many inputs a call has. `by`: whose it must be; None: anybody's. Raises `NotFoundError`."""
        self.check_owner(body.call_id, by)
        return CallViewed(*self.store.num_inputs(body.call_id))

    def await_outcomes(self, asker: Asker, request_id: int, body: AwaitOutcomes, by: int | None) -> ReplyBody | None:
        """How inputs have ended, once the first of them has. Raises `NotFoundError`, `OutputExpiredError`."""
        self.check_owner(body.call_id, by)
        ended = self.outcomes(body.call_id, body.index, body.count)
        if ended or not body.wait:
            return Outcomes(body.call_id, ended)
        self.wait(asker, request_id, body.call_id, body.index)
        return None

    # --- what that rests on -------------------------------------------------------------------------------------------

    def outcomes(self, call_id: str, index: int, count: int = MAX_AT_ONCE) -> list[InputEnd]:
        """What has ended from input `index` on, `count` outcomes at most. Raises `NotFoundError`."""
        return within_bounds(self.store.outcomes(call_id, index, max(1, min(count, MAX_AT_ONCE))))

    def wait(self, asker: Asker, request_id: int, call_id: str, index: int) -> None:
        """Answer this request when the input has ended."""
        request = (asker.number, request_id)
        self._waiting.setdefault((call_id, index), {})[request] = asker
        self._keys[request] = (call_id, index)

    def save(self, command: SaveOutcomes, then: Callable[[], None] = lambda: None) -> None:
        """Inputs ended: keep their outcomes, and answer those who wait. `then` is called when they are kept."""
        call_id = command.call_id
        dropped = self.store.save_outcomes(call_id, command.ended)
        if (principal := self._principals.get(call_id)) is not None:
            size = sum(len(each.payload) for each in command.ended)
            self._sizes[call_id] = self._sizes.get(call_id, 0) + size
            self._hold(principal, size)
        self.answer_waiting(command)  # kept first: whoever is answered may ask again at once
        for gone in dropped:  # all of it had ended: nobody waits
            self._let_go(gone)
        then()

    def cancelled(self, call_id: str, by: int | None, reason: str) -> None:
        """A principal (None: one that may do so with any call) cancels this call, which the engine may not have any more."""

    def save_tries(self, command: SaveTries) -> None:
        """An input is to be tried again: what it has been through matters to no other server."""

    def answer_waiting(self, command: SaveOutcomes) -> None:
        """Those who wait for one of these."""
        call_id = command.call_id
        for each in command.ended:
            for (number, request_id), asker in self._waiting.pop((call_id, each.index), {}).items():
                self._keys.pop((number, request_id), None)
                self._answer(asker, request_id, Outcomes(call_id, [each]))

    def _answer(self, asker: Asker, request_id: int, body: ReplyBody) -> None:
        asker.reply(request_id, body)

    def waits(self, client: int, request_id: int) -> bool:
        """Whether this request is still to be answered."""
        return (client, request_id) in self._keys

    def forget(self, client: int, request_id: int) -> None:
        """This answer is not wanted any more."""
        key = self._keys.pop((client, request_id), None)
        if key is not None:  # an answer that is on its way has none
            askers = self._waiting[key]
            del askers[client, request_id]
            if not askers:
                del self._waiting[key]

    def forget_client(self, client: int) -> None:
        """None of this client's answers is wanted any more."""
        for number, request_id in [request for request in self._keys if request[0] == client]:
            self.forget(number, request_id)

    async def keep_app(self, app: KeptApp) -> None:
        """Have a detached app be there again when a server starts, if that is possible here. Raises `ServiceError`."""

    def forget_app(self, app_id: str) -> None:
        """The app stopped: its calls are gone, and whoever still waits is told."""
        self._gone(set(self.store.forget_app(app_id)), "its app has stopped")

    async def erase(self, call_ids: Sequence[str]) -> bool:
        """Have nothing left of calls that have ended; whether there was something. Raises `ServiceError`."""
        found = self.store.forget_calls(call_ids)
        self._gone(set(found), "it has been erased")
        return bool(found)

    def _gone(self, gone: set[str], why: str) -> None:
        for call_id in gone:
            self._let_go(call_id)
        for call_id, index in [key for key in self._waiting if key[0] in gone]:
            problem = report.of(NotFoundError(f"{call_id}: {why}"))
            for (number, request_id), asker in self._waiting.pop((call_id, index)).items():
                self._keys.pop((number, request_id), None)
                asker.reply(request_id, RequestFailed(problem))

    def _let_go(self, call_id: str) -> None:
        """Nothing of it is kept: its keys are free, and nothing is held for its principal."""
        principal, size = self._principals.pop(call_id, None), self._sizes.pop(call_id, 0)
        for name in self._names.pop(call_id, ()):
            self._used.pop(name, None)
        if principal is not None:
            self._hold(principal, -size)
