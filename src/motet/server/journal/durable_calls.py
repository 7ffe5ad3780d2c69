"""Spawned calls of a server that stays: accepted when the journal has them, and ended when it has their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from motet.core.commands import SaveOutcomes, SaveTries
from motet.core.events import InputsSubmitted
from motet.errors import AlreadyExistsError, Error, NotFoundError, OutputExpiredError, RemoteError, ServiceError
from motet.model.ids import made_at
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.server.apps.catalogue import Catalogue
from motet.server.clients.asker import Asker
from motet.server.clients.gathered_answers import GatheredAnswers
from motet.server.clients.refusals import answer, refusal
from motet.server.clients.spawned import MAX_AT_ONCE, SpawnedCalls, SpawnedInputs, SpawnKey, within_bounds
from motet.server.clock import Clock
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.kept_call import is_kept, kept_call, variant_of, with_inputs
from motet.server.journal.noted_deliveries import NotedDeliveries
from motet.server.journal.still_unfinished import MOST_KNOWN, not_here, still_unfinished
from motet.server.journal.unclear_commits import is_unclear
from motet.store.base import CallStore
from motet.store.blob_reference import left_to_journal
from motet.store.journal import (
    AppGone,
    AppKept,
    CallMade,
    CallsForgotten,
    Entry,
    InputsAdded,
    InputsEnded,
    InputTried,
    Journal,
    KeptApp,
    KeptCall,
)
from motet.wire import report
from motet.wire.client_messages import (
    AwaitOutcomes,
    CallSpawned,
    CallViewed,
    Done,
    Outcomes,
    ReplyBody,
    RequestBody,
    ViewCall,
)

T = TypeVar("T")

MOST_IN_TURN = 200
"""Requests whose inputs the engine takes in one turn: others wait meanwhile."""

MOST_TOGETHER_BYTES = 1024 * 1024
"""Of the arguments of calls that are kept together, about."""

MOST_ARGUMENTS_BYTES = 16 * 1024 * 1024
"""Of the arguments of a function's waiting inputs, about, that are in memory, too: more are read when their turn comes."""

_DONE = Done()

ENDED_WITH_THE_SERVER = frozenset((OutcomeKind.CANCELLED, OutcomeKind.LOST))


class DurableCalls(SpawnedCalls):
    """As `SpawnedCalls`; what is here outlives the server. Nothing of a call is in memory but who waits for it."""

    def __init__(self, unused: CallStore, keeper: JournalKeeper, clock: Clock) -> None:
        super().__init__(unused)
        self._keeper = keeper
        keeper.on_told = self._told
        self._clock = clock
        self.noted = NotedDeliveries(keeper)
        """Those of inputs that are delivered at most once."""
        self._accepted: list[SpawnedInputs] = []
        """What one commit has kept: it runs from one turn of the engine on."""
        self._answers = GatheredAnswers()
        self.on_left: Callable[[], None] = lambda: None
        """Called before the engine has inputs whose arguments the journal alone has."""
        self.on_cancel: Callable[[str], None] = lambda call_id: None
        """Called before the engine is told that a call is cancelled."""
        self._apps: dict[str, str] = {}
        """Detached apps that are kept, with their bundles."""
        self._is_ending = False
        self._catalogue: Catalogue | None = None
        self._resolve: Callable[[str], str] = lambda function_id: function_id

    def serve(self, catalogue: Catalogue, resolve: Callable[[str], str]) -> None:
        """Have functions looked up there, and aliases by `resolve`."""
        self._catalogue = catalogue
        self._resolve = resolve

    @property
    def bundles(self) -> frozenset[str]:
        """Those of detached apps."""
        return frozenset(self._apps.values()) - {""}

    # --- requests -----------------------------------------------------------------------------------------------------

    def spawn(self, asker: Asker, request_id: int, spawn: SpawnedInputs) -> ReplyBody | None:
        """See `SpawnedCalls`."""
        if not spawn.again:
            self._accept(asker, request_id, spawn)
            return None
        call_id, indices = spawn.event.call_id, [each.index for each in spawn.event.inputs]

        def known(found: dict[int, bool] | Error) -> None:
            if isinstance(found, Error):
                self._reply(asker, request_id, found)
            else:
                new = [each for each in spawn.event.inputs if each.index not in found]
                self._accept(asker, request_id, with_inputs(spawn, new))

        self._keeper.ask(lambda journal: journal.known(call_id, indices), known)
        return None

    def spawn_once(self, asker: Asker, request_id: int, spawn: SpawnedInputs, key: SpawnKey) -> ReplyBody | None:
        """See `SpawnedCalls`."""

        def found(call: KeptCall | Error | None) -> None:
            if isinstance(call, Error):
                self._reply(asker, request_id, call)
            elif call is None:
                self._accept(asker, request_id, spawn, key)
            elif call.digest != key.digest:
                self._reply(asker, request_id, key.taken(call.call_id))
            else:
                self._reply(asker, request_id, CallSpawned(call.call_id))

        self._keeper.ask(lambda journal: journal.by_key(key.name), found)
        return None

    def _accept(self, asker: Asker, request_id: int, spawn: SpawnedInputs, key: SpawnKey | None = None) -> None:
        """Keep them; then have them run, and say so. Nothing runs that is not kept."""
        event, now = spawn.event, self._clock.wall_now()

        def kept(error: Error | None) -> None:
            if key is not None and isinstance(error, AlreadyExistsError):  # another one with this key was faster
                self.spawn_once(asker, request_id, spawn, key)
                return
            if is_unclear(self._keeper, event, error, kept):
                return
            if error is not None:
                self._reply(asker, request_id, error)
                return
            # Another version may have the name since; the one that was meant may even be gone.
            if event.inputs:
                is_gone = spawn.called_as and not self._functions.takes(event.function_id)
                self._accepted.append(self._renamed(spawn) if is_gone else spawn)
            self._answer(asker, request_id, _DONE if key is None else CallSpawned(event.call_id))

        call = kept_call(spawn, now, variant_of(event.function_id, self._functions))
        if key is not None:
            call = msgspec.structs.replace(call, key=key.name, digest=key.digest)
        entries: list[Entry] = [CallMade(call), InputsAdded(event.call_id, event.inputs, now)]
        self._keeper.keep(entries, kept)

    def spawn_all(self, asker: Asker, spawns: Sequence[tuple[int, SpawnedInputs]]) -> None:
        """See `SpawnedCalls`. What fits into a turn of the engine is kept together, and told of together."""
        part: list[tuple[int, SpawnedInputs]] = []
        size = 0
        for each in spawns:
            for new in each[1].event.inputs:
                size += len(new.payload)
            part.append(each)
            if len(part) == MOST_IN_TURN or size > MOST_TOGETHER_BYTES:
                self._accept_all(asker, part)
                part, size = [], 0
        if part:
            self._accept_all(asker, part)

    def _accept_all(self, asker: Asker, spawns: list[tuple[int, SpawnedInputs]]) -> None:
        now = self._clock.wall_now()
        entries: list[Entry] = []
        variants: dict[str, tuple[str, bytes]] = {}
        for _, spawn in spawns:
            event = spawn.event
            variant = variants.get(event.function_id)
            if variant is None:
                variant = variants[event.function_id] = variant_of(event.function_id, self._functions)
            entries.append(CallMade(kept_call(spawn, now, variant)))
            entries.append(InputsAdded(event.call_id, event.inputs, now))
        self._keeper.keep(entries, partial(self._kept_all, asker, spawns))

    def _kept_all(self, asker: Asker, spawns: list[tuple[int, SpawnedInputs]], error: Error | None) -> None:
        if is_unclear(self._keeper, spawns[0][1].event, error, partial(self._kept_all, asker, spawns)):
            return  # one commit has all of them, or none
        if error is not None:
            if len(spawns) > 1 and not isinstance(error, ServiceError):  # one of them is at fault
                for request_id, spawn in spawns:
                    self._accept(asker, request_id, spawn)
            else:
                for request_id, _ in spawns:
                    self._reply(asker, request_id, error)
            return
        gone: dict[str, bool] = {}
        for _, spawn in spawns:
            event = spawn.event
            if not event.inputs:
                continue
            is_gone = gone.get(event.function_id)
            if is_gone is None:
                is_gone = gone[event.function_id] = not self._functions.takes(event.function_id)
            self._accepted.append(self._renamed(spawn) if is_gone and spawn.called_as else spawn)
        self._answers.add_all(asker, [request_id for request_id, _ in spawns], _DONE)

    def _told(self) -> None:
        """All that a commit has kept is known here: have it run, and answer."""
        accepted, self._accepted = self._accepted, []
        waiting: dict[str, int] = {}
        for first in range(0, len(accepted), MOST_IN_TURN):
            events = [self._light(each.event, waiting) for each in accepted[first : first + MOST_IN_TURN]]
            accepted[first].take(*events)
        self._answers.send()

    def _light(self, event: InputsSubmitted, waiting: dict[str, int]) -> InputsSubmitted:
        """The same; without arguments, which the journal has, where many wait already. `waiting`: how many, by function."""
        function_id, inputs = event.function_id, event.inputs
        before = waiting.get(function_id)
        if before is None:
            before = self._functions.waiting(function_id)
        waiting[function_id] = before + len(inputs)
        if before * len(inputs[-1].payload) <= MOST_ARGUMENTS_BYTES:
            return event
        self.on_left()
        left = [NewInput(each.index, left_to_journal(each.payload)) for each in inputs]
        return msgspec.structs.replace(event, inputs=left, on_disk=True)

    def _answer(self, asker: Asker, request_id: int, body: ReplyBody) -> None:
        self._answers.add(asker, request_id, body)

    @property
    def _functions(self) -> Catalogue:
        assert self._catalogue is not None
        return self._catalogue

    def _renamed(self, spawn: SpawnedInputs) -> SpawnedInputs:
        try:
            function_id = self._resolve(spawn.called_as)
        except NotFoundError:
            return spawn
        return msgspec.structs.replace(spawn, event=msgspec.structs.replace(spawn.event, function_id=function_id))

    def view(self, asker: Asker, request_id: int, body: ViewCall, by: int | None) -> ReplyBody | None:
        """See `SpawnedCalls`. It is answered when all that was said before is kept."""

        def found(what: tuple[KeptCall, int] | Error) -> None:
            if isinstance(what, Error):
                self._reply(asker, request_id, self._explained(body.call_id, what))
            elif by is not None and what[0].principal != by:
                self._reply(asker, request_id, not_here(body.call_id))
            else:
                self._reply(asker, request_id, CallViewed(what[1], what[0].function_id))

        self._keeper.ask(lambda journal: journal.call(body.call_id), found)
        return None

    def await_outcomes(self, asker: Asker, request_id: int, body: AwaitOutcomes, by: int | None) -> ReplyBody | None:
        """See `SpawnedCalls`."""
        call_id, count = body.call_id, max(1, min(body.count, MAX_AT_ONCE))
        # First: an outcome that is kept while the journal is asked is told by one of the two.
        self.wait(asker, request_id, call_id, body.index)

        def ask(journal: Journal) -> list[InputEnd]:
            if by is not None and journal.kept(call_id).principal != by:
                raise not_here(call_id)
            return journal.outcomes(call_id, body.index, count)

        def found(what: list[InputEnd] | Error) -> None:
            if not self.waits(asker.number, request_id) or (not what and body.wait):
                return
            self.forget(asker.number, request_id)
            if isinstance(what, Error):
                self._reply(asker, request_id, self._explained(call_id, what))
            else:
                self._reply(asker, request_id, Outcomes(call_id, within_bounds(what)))

        self._keeper.look(ask, found)
        return None

    def _explained(self, call_id: str, error: Error) -> Error:
        """What is not here may have been."""
        made, retention = made_at(call_id), self._keeper.retention
        if not isinstance(error, NotFoundError) or made is None or made > self._clock.wall_now() - retention:
            return error
        return OutputExpiredError(
            f"{call_id} is not kept any more: results are kept for {retention / 86400:g} days (MOTET_KEEP_RESULTS_DAYS)"
        )

    def _reply(self, asker: Asker, request_id: int, body: ReplyBody | Error) -> None:
        told = refusal(_NO_REQUEST, body) if isinstance(body, Error) else body
        answer(lambda it: asker.reply(request_id, it), _NO_REQUEST, told)

    # --- what becomes of inputs -----------------------------------------------------------------------------------------

    def save(self, command: SaveOutcomes, then: Callable[[], None] = lambda: None) -> None:
        """See `SpawnedCalls`. While the server ends, what ends because of that is left to the next one; calls that somebody
        has cancelled are not."""
        ended = command.ended
        if self._is_ending and not command.is_unwanted:
            ended = [each for each in ended if each.kind not in ENDED_WITH_THE_SERVER]
            if not ended:
                return
        told = SaveOutcomes(command.call_id, ended)

        def kept(error: Error | None) -> None:
            if error is None:
                self.answer_waiting(told)
                then()

        self._keeper.owe([InputsEnded(command.call_id, ended, self._clock.wall_now())], kept)

    def cancelled(self, call_id: str, by: int | None, reason: str) -> None:
        """See `SpawnedCalls`. While the server ends, the engine may have let go of its inputs: the next server would have them
        run."""
        self.on_cancel(call_id)
        if not self._is_ending:
            return

        def found(indices: list[int] | Error) -> None:
            if isinstance(indices, Error):  # another principal's stays as it is; so does what is not known in time
                return
            failure = report.of(RemoteError(f"Input was cancelled: {reason}"))
            ended = [InputEnd(index, OutcomeKind.CANCELLED, failure) for index in indices]
            for first in range(0, len(ended), MOST_KNOWN):
                self.save(SaveOutcomes(call_id, ended[first : first + MOST_KNOWN], is_unwanted=True))

        self._keeper.ask(lambda journal: still_unfinished(journal, call_id, by), found)

    def save_tries(self, command: SaveTries) -> None:
        """See `SpawnedCalls`."""
        if command.begins:
            self.noted.note(command)
            return
        due_at = self._clock.wall(command.due_at) if command.due_at else 0.0
        tries = command.attempts, command.retries, command.lone_losses, due_at, command.last_attempt
        self._keeper.owe([InputTried(command.call_id, command.index, *tries)])

    def ending(self) -> None:
        """The server ends: what has not ended goes on with the next one."""
        self._is_ending = True

    # --- detached apps --------------------------------------------------------------------------------------------------

    async def keep_app(self, app: KeptApp) -> None:
        """See `SpawnedCalls`. One that is kept already is not kept again: its program has come back, and that the disk takes
        nothing just now is no reason to end it."""
        if app.app_id in self._apps:
            return
        self._apps[app.app_id] = app.bundle
        done: asyncio.Future[Error | None] = asyncio.get_running_loop().create_future()
        self._keeper.keep([AppKept(app)], _settling(done))
        if (error := await done) is not None:
            self._apps.pop(app.app_id, None)
            raise error

    async def erase(self, call_ids: Sequence[str]) -> bool:
        """See `SpawnedCalls`."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[bool | Error] = loop.create_future()
        self._keeper.ask(lambda journal: any(is_kept(each, journal) for each in call_ids), _settling(found))
        if isinstance(was_there := await found, Error):
            raise was_there
        done: asyncio.Future[Error | None] = loop.create_future()
        self._keeper.keep([CallsForgotten(list(call_ids))], _settling(done))
        if (error := await done) is not None:
            raise error
        return was_there

    def app_restored(self, app: KeptApp) -> None:
        """It was kept by a server before this one."""
        self._apps[app.app_id] = app.bundle

    def forget_app(self, app_id: str) -> None:
        """The app stopped: it is not there again. Results of its calls stay."""
        if not self._is_ending and self._apps.pop(app_id, None) is not None:
            self._keeper.owe([AppGone(app_id)])


def _settling(future: asyncio.Future[T]) -> Callable[[T], None]:
    return lambda result: None if future.done() else future.set_result(result)


_NO_REQUEST: RequestBody = ViewCall("")
"""Stands for the request in what is logged of an answer that cannot be sent."""
