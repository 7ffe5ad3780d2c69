"""Spawned calls of a server that stays, whose large arguments and results are blobs: what the journal and the engine have of
these is a reference."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from motet.core.commands import SaveOutcomes
from motet.errors import Error, NotFoundError, ServiceError
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.server.clients.asker import Asker
from motet.server.clients.refusals import refusal
from motet.server.clients.spawned import SpawnedInputs, SpawnKey, within_bounds
from motet.server.clock import Clock
from motet.server.journal.durable_calls import DurableCalls
from motet.server.journal.failed_arguments import FAILED, FailedArguments
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.kept_call import with_inputs
from motet.server.journal.large_payloads import LargePayloads
from motet.server.journal.stored_bytes import StoredBytes
from motet.store.base import CallStore
from motet.store.blob_reference import IN_JOURNAL, StoredPayload, as_kept
from motet.store.journal import Journal
from motet.wire import report
from motet.wire.client_messages import (
    AwaitOutcomes,
    CallSpawned,
    Outcomes,
    ReplyBody,
    RequestBody,
    RequestFailed,
    ViewCall,
)


class LargeCalls(DurableCalls):
    """As `DurableCalls`. Blobs are durable before the journal names them, and go after it has let go of them."""

    def __init__(
        self, unused: CallStore, keeper: JournalKeeper, clock: Clock, payloads: LargePayloads, failed: FailedArguments
    ) -> None:
        super().__init__(unused, keeper, clock)
        self._payloads = payloads
        self._failed = failed
        self._arguments: dict[tuple[str, int], tuple[StoredPayload, int]] = {}
        """Of inputs that have not ended, and whose they are."""
        self.stored = StoredBytes()

    # --- arguments ----------------------------------------------------------------------------------------------------

    def spawn(self, asker: Asker, request_id: int, spawn: SpawnedInputs) -> ReplyBody | None:
        """See `SpawnedCalls`."""
        reader, is_large = _Reader(asker, self._payloads), self._payloads.is_large
        if not spawn.again and not any(is_large(each.payload) for each in spawn.event.inputs):
            return super().spawn(reader, request_id, spawn)  # as most do: it pays for no more than this look

        def go_on(spawn: SpawnedInputs) -> None:
            self._with_references(
                reader,
                request_id,
                spawn,
                lambda asker, stored: super(LargeCalls, self).spawn(asker, request_id, stored),
            )

        if spawn.again:  # what is being written of it came before
            call_id = spawn.event.call_id
            self._payloads.when_written(call_id, partial(self._new_of, reader, request_id, spawn, go_on))
        else:
            go_on(spawn)
        return None

    def _new_of(
        self, asker: Asker, request_id: int, spawn: SpawnedInputs, go_on: Callable[[SpawnedInputs], None]
    ) -> None:
        """Go on with those inputs that are not here: of others nothing is to be written."""
        call_id, indices = spawn.event.call_id, [each.index for each in spawn.event.inputs]

        def known(found: dict[int, bool] | Error) -> None:
            if isinstance(found, Error):
                self._reply(asker, request_id, found)
            else:
                go_on(with_inputs(spawn, [each for each in spawn.event.inputs if each.index not in found]))

        self._keeper.ask(lambda journal: journal.known(call_id, indices), known)

    def spawn_all(self, asker: Asker, spawns: Sequence[tuple[int, SpawnedInputs]]) -> None:
        """See `SpawnedCalls`. Those with large arguments go by themselves: they are kept when these are."""
        large = self._payloads.large_among(spawns)
        if large:
            for request_id, spawn in spawns:
                if request_id in large:
                    self.spawn(asker, request_id, spawn)
            spawns = [each for each in spawns if each[0] not in large]
        super().spawn_all(_Reader(asker, self._payloads), spawns)

    def spawn_once(self, asker: Asker, request_id: int, spawn: SpawnedInputs, key: SpawnKey) -> ReplyBody | None:
        """See `SpawnedCalls`."""
        self._with_references(
            _Reader(asker, self._payloads),
            request_id,
            spawn,
            lambda asker, stored: super(LargeCalls, self).spawn_once(asker, request_id, stored, key),
        )
        return None

    def _with_references(
        self,
        asker: Asker,
        request_id: int,
        spawn: SpawnedInputs,
        accept: Callable[[Asker, SpawnedInputs], object],
    ) -> None:
        call_id, payloads = spawn.event.call_id, self._payloads
        large = [(each.index, each.payload) for each in spawn.event.inputs if payloads.is_large(each.payload)]
        if not large or not payloads.takes(call_id):
            accept(asker, spawn)
            return

        def kept(stored: list[StoredPayload] | Error) -> None:
            if isinstance(stored, Error):
                asker.reply(request_id, refusal(_NO_REQUEST, stored))
                return
            by_index = dict(zip([index for index, _ in large], stored, strict=True))
            inputs = [NewInput(each.index, by_index.get(each.index, each.payload)) for each in spawn.event.inputs]
            # Whoever submits an input once more does not change it: the arguments that came first are those that it has.
            mine = [index for index in by_index if (call_id, index) not in self._arguments]
            for index in mine:
                self._holds(call_id, index, by_index[index], asker.principal)

            def refused() -> None:
                self._drop([(call_id, index) for index in mine])
                payloads.drop([it for index, it in by_index.items() if index not in mine])

            event = msgspec.structs.replace(spawn.event, inputs=inputs)
            accept(_Witness(asker, request_id, call_id, refused), msgspec.structs.replace(spawn, event=event))

        payloads.keep_arguments(call_id, large, kept)

    def wait_for(self, call_id: str, index: int, payload: bytes, principal: int) -> bytes:
        """An input that a server before this one had accepted: its arguments, as the engine is to have them."""
        kept = as_kept(payload)
        if kept is IN_JOURNAL:
            self.on_left()
        elif isinstance(kept, StoredPayload):
            self._holds(call_id, index, kept, principal)
            self._payloads.wait_for(kept)
        return kept

    def kept_for(self, principal: int) -> int:
        """See `SpawnedCalls`."""
        return self.stored.of(principal)

    def _holds(self, call_id: str, index: int, stored: StoredPayload, principal: int) -> None:
        self._arguments[call_id, index] = stored, principal
        self.stored.add(principal, stored.size)

    def _drop(self, keys: Sequence[tuple[str, int]]) -> None:
        """Arguments that are not needed any more."""
        found = [it for key in keys if (it := self._arguments.pop(key, None)) is not None]
        for stored, principal in found:
            self.stored.add(principal, -stored.size)
        self._payloads.drop([stored for stored, _ in found])

    # --- results ------------------------------------------------------------------------------------------------------

    def save(self, command: SaveOutcomes, then: Callable[[], None] = lambda: None) -> None:
        """See `SpawnedCalls`. A large result is kept when it can be, and the others of its call are not held up."""
        call_id, payloads = command.call_id, self._payloads
        if self._arguments:
            then = self._dropping(command, then)
        large = [each for each in command.ended if payloads.is_large(each.payload)]
        if not large or not payloads.takes(call_id):
            super().save(command, then)
            return
        left = 1 + len(large)

        def part_kept() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        def kept(end: InputEnd, stored: StoredPayload) -> None:
            def settled() -> None:
                payloads.settle(stored)
                part_kept()

            super(LargeCalls, self).save(_like(command, [InputEnd(end.index, end.kind, stored)]), settled)

        small = [each for each in command.ended if not payloads.is_large(each.payload)]
        if small:
            super().save(_like(command, small), part_kept)
        else:
            part_kept()
        for each in large:
            payloads.keep_result(call_id, each.index, each.payload, partial(kept, each))

    def _dropping(self, command: SaveOutcomes, then: Callable[[], None]) -> Callable[[], None]:
        """The same, after which the arguments of these inputs go, or are kept for who runs them again."""
        by_key = {(command.call_id, each.index): each.kind for each in command.ended}
        ended = [(key, kind) for key, kind in by_key.items() if key in self._arguments]
        if not ended:
            return then
        failed = [key for key, kind in ended if kind in FAILED and self._failed.most]
        others = [key for key, kind in ended if key not in failed]

        def kept() -> None:
            self._drop(others)
            self._keep_failed(failed)
            then()

        return kept

    def _keep_failed(self, keys: Sequence[tuple[str, int]]) -> None:
        """Arguments of inputs that failed. They count as their principal's until a sweep finds them gone."""
        for key in keys:
            if (found := self._arguments.pop(key, None)) is not None:
                self._payloads.leave(found[0])
                self._payloads.drop(self._failed.add(found[0]))

    def forget_failed(self) -> None:
        """Those that are kept of inputs that failed go."""
        self._payloads.drop(self._failed.give_up())

    def await_outcomes(self, asker: Asker, request_id: int, body: AwaitOutcomes, by: int | None) -> ReplyBody | None:
        """See `SpawnedCalls`."""
        return super().await_outcomes(_Reader(asker, self._payloads), request_id, body, by)

    def view(self, asker: Asker, request_id: int, body: ViewCall, by: int | None) -> ReplyBody | None:
        """See `SpawnedCalls`."""
        return super().view(_Reader(asker, self._payloads), request_id, body, by)

    async def erase(self, call_ids: Sequence[str]) -> bool:
        """See `SpawnedCalls`. What the journal has goes first, unless it names what cannot be reached: then nothing goes."""
        if self._payloads.places.had_others:
            await self._check_reached(call_ids)
        was_there = await super().erase(call_ids)
        self._failed.forget_calls(call_ids)
        await self._payloads.erase(call_ids)
        return was_there

    async def _check_reached(self, call_ids: Sequence[str]) -> None:
        """Raises `ServiceError` if a result of these calls lies where nothing can be erased."""
        found: asyncio.Future[StoredPayload | Error | None] = asyncio.get_running_loop().create_future()
        question = partial(_not_reached, call_ids=call_ids, reaches=self._payloads.places.reaches)
        self._keeper.look(question, lambda it: None if found.done() else found.set_result(it))
        lost = await found
        if isinstance(lost, Error):
            raise lost
        if lost is not None and (name := lost.name) is not None:
            raise ServiceError(
                f"nothing is erased: {name.owner} is kept in a place that this server does not know any more (area "
                f"{name.area}). Start it with MOTET_BLOBS set to where that was, and delete it then; or wait until it expires"
            )


def _not_reached(
    journal: Journal, call_ids: Sequence[str], reaches: Callable[[StoredPayload], bool]
) -> StoredPayload | None:
    for call_id in call_ids:
        with contextlib.suppress(NotFoundError):
            for first in range(0, journal.call(call_id)[1], _LOOKED_AT):
                for end in journal.outcomes(call_id, first, _LOOKED_AT):
                    if isinstance(kept := as_kept(end.payload), StoredPayload) and not reaches(kept):
                        return kept
    return None


_LOOKED_AT = 200


class _Reader:
    """Who asks; of large results in the answers, the references become what they refer to."""

    __slots__ = ("_asker", "_payloads", "number", "principal")

    def __init__(self, asker: Asker, payloads: LargePayloads) -> None:
        self.number, self.principal = asker.number, asker.principal
        self._asker = asker
        self._payloads = payloads

    def reply(self, request_id: int, body: ReplyBody) -> None:
        """See `Asker`."""
        found = _references(body)
        if found is None:
            self._asker.reply(request_id, body)
        else:
            self._read(request_id, *found, 0)

    def reply_all(self, answers: Sequence[tuple[int, ReplyBody]]) -> None:
        """See `Asker`. Those with large results come when these have been read."""
        plain = [each for each in answers if not isinstance(each[1], Outcomes) or _references(each[1]) is None]
        if plain:
            self._asker.reply_all(plain)
        if len(plain) < len(answers):
            for request_id, body in answers:
                if (found := _references(body)) is not None:
                    self._read(request_id, *found, 0)

    def _read(self, request_id: int, call_id: str, ended: list[InputEnd], place: int) -> None:
        """From this place on, one after the other."""
        while place < len(ended):
            stored = as_kept(ended[place].payload)
            if isinstance(stored, StoredPayload):
                self._payloads.result(stored, partial(self._came, request_id, call_id, ended, place))
                return
            place += 1
        self._asker.reply(request_id, Outcomes(call_id, ended))

    def _came(self, request_id: int, call_id: str, ended: list[InputEnd], place: int, data: bytes | Error) -> None:
        end = ended[place]
        if isinstance(data, bytes):
            ended[place] = InputEnd(end.index, end.kind, data)
        elif place:  # those before it are there; it is asked for by itself next
            del ended[place:]
        elif isinstance(data, ServiceError):  # it may be there later
            self._asker.reply(request_id, refusal(_NO_REQUEST, data))
            return
        else:
            ended[place] = InputEnd(end.index, OutcomeKind.LOST, report.of(data))
        self._read(request_id, call_id, ended, place + 1)


class _Witness:
    """Who asks to spawn this call; `refused` is called if that is refused, or another call has its key."""

    __slots__ = ("_asker", "_call_id", "_refused", "_request_id", "number", "principal")

    def __init__(self, asker: Asker, request_id: int, call_id: str, refused: Callable[[], None]) -> None:
        self.number, self.principal = asker.number, asker.principal
        self._asker = asker
        self._request_id = request_id
        self._call_id = call_id
        self._refused = refused

    def reply(self, request_id: int, body: ReplyBody) -> None:
        """See `Asker`."""
        if request_id == self._request_id and self._is_refusal(body):
            self._refused()
        self._asker.reply(request_id, body)

    def reply_all(self, answers: Sequence[tuple[int, ReplyBody]]) -> None:
        """See `Asker`."""
        if any(request_id == self._request_id and self._is_refusal(body) for request_id, body in answers):
            self._refused()
        self._asker.reply_all(answers)

    def _is_refusal(self, body: ReplyBody) -> bool:
        is_other = isinstance(body, CallSpawned) and body.call_id != self._call_id
        return is_other or isinstance(body, RequestFailed)


def _like(command: SaveOutcomes, ended: list[InputEnd]) -> SaveOutcomes:
    return SaveOutcomes(command.call_id, ended, command.is_unwanted)


def _references(body: ReplyBody) -> tuple[str, list[InputEnd]] | None:
    """The call and the outcomes in an answer, if there are references among them: as many as may be in memory together."""
    if isinstance(body, Outcomes) and any(isinstance(as_kept(each.payload), StoredPayload) for each in body.ended):
        return body.call_id, list(within_bounds(body.ended, _size))
    return None


def _size(payload: bytes) -> int:
    kept = as_kept(payload)
    return kept.size if isinstance(kept, StoredPayload) else len(kept)


_NO_REQUEST: RequestBody = ViewCall("")
"""Stands for the request in what is logged of an answer that cannot be sent."""
