"""The parts of a server that see to spawned calls outliving it, put together around one journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from motet.core.commands import ReadArguments
from motet.core.events import ContainerResumed, Event
from motet.errors import Error
from motet.model.function import AppSpec
from motet.model.outcome import Delivery
from motet.records.arguments import ArgumentsRecord
from motet.server.access.rights import named_rights
from motet.server.apps.lifetimes import UntilStopped
from motet.server.clients.calls_room import CallsRoom, CallsServed, Claim, JournalProgress
from motet.server.clients.spawned import SpawnedCalls
from motet.server.clock import Clock
from motet.server.config import ServerConfig
from motet.server.containers.come_back import CLAIM_TIMEOUT
from motet.server.containers.late_deliveries import LateDeliveries
from motet.server.driver import logger
from motet.server.journal.blob_sweep import BlobSweep
from motet.server.journal.failed_arguments import FailedArguments
from motet.server.journal.keeper import JournalKeeper
from motet.server.journal.large_calls import LargeCalls
from motet.server.journal.large_payloads import LargePayloads
from motet.server.journal.left_arguments import LeftArguments
from motet.server.journal.paused_collections import paused_collections
from motet.server.journal.unfinished_calls import Part, UnfinishedCalls, read_unfinished
from motet.store.base import CallStore, Freed
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import IN_JOURNAL, StoredPayload, large_arguments
from motet.store.journal import Journal, KeptApp

MANY_INPUTS = 20_000
"""Beyond this, what unfinished inputs are in memory is set apart from what the collector of cycles looks at."""


class JournalRoom(CallsRoom):
    """`calls` takes spawned calls. `on_fenced` is called when another server has the journal: this one must end."""

    outlives = True

    def __init__(
        self,
        journal: Journal,
        unused: CallStore,
        clock: Clock,
        config: ServerConfig,
        on_fenced: Callable[[], None],
        blobs: BlobPlaces,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._journal = journal
        self._clock = clock
        self._keeper = JournalKeeper(journal, loop, config.keep_results, on_fenced, clock.wall_now)
        self._payloads = LargePayloads(blobs, journal.term, config.blobs_above)
        failed = FailedArguments(0 if config.records is None else config.records.kept_large_bytes)
        self._durable = LargeCalls(unused, self._keeper, clock, self._payloads, failed)
        self._sweep = BlobSweep(self._payloads, self._keeper, clock, self._durable.stored, failed)
        super().__init__(self._durable)
        self._served: CallsServed | None = None
        self._left: LeftArguments | None = None
        self._on_late: Callable[[], None] = lambda: None
        self._unfinished = UnfinishedCalls([], clock)
        self._are_many = False
        """Inputs that a server before this one had accepted, and that have not ended."""
        self._apps: list[tuple[KeptApp, AppSpec]] = []

    @property
    def problem(self) -> str:
        """Why spawned calls are refused now; "": they are not."""
        return self._keeper.failure or self._payloads.problem

    @property
    def hang(self) -> str:
        """That the journal does not answer; "": it does."""
        return self._keeper.hang

    def progress(self) -> JournalProgress:
        """See `CallsRoom`."""
        return JournalProgress(self._keeper.lag, self._keeper.term)

    def attach(self, served: CallsServed) -> None:
        """Have calls looked up here."""
        self._served = served
        self._durable.serve(served.catalogue, served.names.resolve)
        self._durable.on_cancel = lambda call_id: self._unfinished.give_call(call_id, served.driver)
        self._left = left = LeftArguments(self._keeper, served.driver)
        noted = self._durable.noted
        late = LateDeliveries(served.deliveries, served.driver, self._find, lambda delivery: delivery.attempt in noted)

        def begin() -> None:
            """Attempts come that leave late, for the first time."""
            self._payloads.on_first = self._durable.on_left = self._on_late = lambda: None
            served.driver.perform({ReadArguments: left.read})
            late.begin()

        self._payloads.on_first = self._durable.on_left = self._on_late = begin

    def _find(self, delivery: Delivery, then: Callable[[bytes | Error], None]) -> None:
        """Arguments of an attempt that leaves late: with their input, in the journal, or a blob."""
        noted, stored = self._durable.noted, delivery.payload
        if delivery.attempt in noted:
            then = partial(noted.when_kept, delivery.attempt, then)
        if not isinstance(stored, StoredPayload):
            then(stored)
            return
        if stored is not IN_JOURNAL:
            self._payloads.arguments(stored, then)
        elif self._left is not None:
            self._left.find(delivery, then)

    def claims(self, containers_of: Claim) -> Claim:
        """What the engine is to know when a function is here: first its containers, then the inputs that may run there."""

        def claim(function_id: str) -> list[Event]:
            assert self._served is not None
            if self._served.catalogue.configuration(function_id).spec.at_most_once:
                self._on_late()
            back = containers_of(function_id)
            return [*back, *self._unfinished.claim(function_id, _held(back))]

        return claim

    # --- the server starts --------------------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Read what a server before this one has left. Raises `ServiceError`."""
        assert self._served is not None
        with paused_collections() as paused:
            count, not_with_them = await asyncio.to_thread(self._read)
            paused.freezes = self._are_many = count > MANY_INPUTS
        if count:
            logger.info("%d spawned inputs go on that a server before this one had accepted", count)
        self._take_references(not_with_them)
        for app in await asyncio.to_thread(self._journal.apps):
            try:
                self._apps.append((app, await self._served.place(app.spec, app.bundle)))
            except Error as error:
                logger.error("the detached app %s (%s) does not go on: %s", app.spec.name, app.app_id, error)

    def _read(self) -> tuple[int, list[Part]]:
        """On a thread: how many inputs there are, and the parts of which not all arguments come with them."""
        parts = read_unfinished(self._journal)
        self._unfinished = UnfinishedCalls(parts, self._clock, is_gradual=True)
        stored = [
            it for it in parts if it.payloads is None or any(isinstance(each, StoredPayload) for each in it.payloads)
        ]
        return sum(len(it.inputs) for it in parts), stored

    def _take_references(self, parts: list[Part]) -> None:
        """What is known from now on of arguments that do not come with their inputs."""
        if any(part.payloads is None for part in parts):
            self._durable.on_left()
        for call, inputs, payloads in parts:
            for each, payload in zip(inputs, payloads or (), strict=False):
                if isinstance(payload, StoredPayload):
                    self._durable.wait_for(call.call_id, each.index, payload, call.principal)

    async def restore(self) -> None:
        """Have detached apps be here, and all inputs whose function is. Deployed apps are here already."""
        assert self._served is not None
        served = self._served
        for app, spec in self._apps:
            life = UntilStopped(app.principal, named_rights(app.rights))
            self._durable.app_restored(app)
            try:
                served.lifetimes.start_again(app.app_id, spec, life, app.functions)
            except Error as error:
                logger.error("the detached app %s (%s) does not go on: %s", app.spec.name, app.app_id, error)
        self._apps.clear()
        self._unfinished.bind_variants(served.catalogue)
        self._unfinished.send_on(served.names)
        with paused_collections() as paused:
            paused.freezes = self._are_many
            await self._unfinished.give_rest(served.catalogue, served.driver)
        self._keeper.expire_now_and_then()
        self._sweep.begin()
        # Clients may come from now on: inputs whose function is not here in time are given up.
        asyncio.get_running_loop().call_later(CLAIM_TIMEOUT, self._give_up)

    def _give_up(self) -> None:
        assert self._served is not None
        self._unfinished.bind_variants(self._served.catalogue)
        self._unfinished.give_up(self._keeper)

    def bundles(self) -> frozenset[str]:
        """Those of detached apps: they are needed."""
        return self._durable.bundles

    async def sweep(self, dry_run: bool, failed_too: bool) -> Freed:
        """See `CallsRoom`."""
        if failed_too and not dry_run:
            self._durable.forget_failed()  # the sweep leaves what is young
        return Freed(*await self._sweep.sweep(dry_run=dry_run, keeps_failed=not failed_too))

    async def arguments_of(self, record: ArgumentsRecord) -> bytes:
        """See `CallsRoom`."""
        if (stored := large_arguments(record)) is None:
            return record.payload
        found: asyncio.Future[bytes | Error] = asyncio.get_running_loop().create_future()
        self._payloads.read_once(stored, lambda it: None if found.done() else found.set_result(it))
        if isinstance(data := await found, Error):
            raise data
        return data

    # --- and ends -----------------------------------------------------------------------------------------------------

    def ending(self) -> None:
        """The server ends: what has not ended goes on with the next one."""
        self._durable.ending()

    async def close(self) -> None:
        """Keep what is on its way. Idempotent."""
        self._sweep.end()
        if self._left is not None:
            self._left.close()
        await self._keeper.close()
        self._payloads.close()


def _held(back: Iterable[Event]) -> set[tuple[str, int]]:
    """What containers that are back have of inputs."""
    resumed = [each for each in back if isinstance(each, ContainerResumed)]
    running = [held for each in resumed for held in (*each.running, *(held for held, _ in each.ended))]
    return {(held.call_id, held.index) for held in running}


def calls_room(
    journal: Journal | None,
    store: CallStore,
    hold: Callable[[int, int], None],
    clock: Clock,
    config: ServerConfig,
    on_fenced: Callable[[], None],
    blobs: BlobPlaces,
) -> CallsRoom:
    """With a journal, or without: then calls are in `store`, and `hold` is told how much that is (see `SpawnedCalls`).
    `blobs`: where large payloads are kept, if they can be."""
    if journal is None:
        return CallsRoom(SpawnedCalls(store, hold))
    return JournalRoom(journal, store, clock, config, on_fenced, blobs)
