"""What one may see of a running server and ask of it: the seam for its dashboard, `motet` commands and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from motet.core import events as e
from motet.errors import InvalidError, NotFoundError
from motet.model.ids import checked_id, split_input_id
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.model.views import AppView, InputView
from motet.records.batch import RecordBatch
from motet.records.call_graph import CallGraph
from motet.records.facts import StallRecord
from motet.records.queries import MAX_FOUND
from motet.server.apps.catalogue import Catalogue
from motet.server.containers.containers import Containers
from motet.server.driver import Driver
from motet.server.records.queue import NoRecords, RecordQueue
from motet.store.records import RecordReader
from motet.wire import operator_messages as m
from motet.wire.call_graph import flattened
from motet.wire.client_messages import AutoscalerUpdated, Done, ReplyBody

INPUTS_AT_ONCE = 500
"""How many inputs are seen in one go."""

T = TypeVar("T")


EraseResults = Callable[[Sequence[str]], Coroutine[Any, Any, bool]]
"""Has nothing left of the results of spawned calls; whether there was something."""


class Operations:
    """One for each server, for all who look at it. All methods are called on its loop's thread, and return at once, except
    coroutines, and `module_of`, which any thread may ask.

    `answers`, by kind of request: the same for operators at the other end of a connection.
    """

    def __init__(
        self,
        driver: Driver,
        catalogue: Catalogue,
        containers: Containers,
        records: RecordQueue | NoRecords,
        erase_results: EraseResults,
    ) -> None:
        self._driver = driver
        self._catalogue = catalogue
        self._containers = containers
        self._records = records
        self._erase_results = erase_results
        self.answers: dict[type[Any], Callable[[Any], ReplyBody | Coroutine[Any, Any, ReplyBody]]] = {
            m.ViewServer: lambda body: m.ServerViewed(list(self.views())),
            m.ViewHosts: lambda body: m.HostsViewed(driver.engine.inspection.hosts()),
            m.ViewInputs: self._view_inputs,
            m.ViewSettings: lambda body: AutoscalerUpdated(self.settings(body.function_id)),
            m.ViewEnvironment: lambda body: m.EnvironmentViewed(containers.environment(body.container_id)),
            m.EndCall: self._end_call,
            m.EndContainer: self._end_container,
            m.EraseCalls: self._erase_calls,
            m.FindCalls: lambda body: self.read(lambda records: m.CallsFound(records.calls(body.query))),
            m.FindCall: lambda body: self.read(lambda records: _find_call(records, body.call_id)),
            m.FindCallGraph: self._find_call_graph,
            m.FindInputs: lambda body: self.read(lambda records: m.EndedInputsFound(records.inputs(body.query))),
            m.FindApps: lambda body: self.read(lambda records: m.AppsFound(records.apps())),
            m.FindFunctions: lambda body: self.read(lambda records: m.FunctionsFound(records.functions(body.app))),
            m.FindContainers: lambda body: self.read(lambda records: _find_containers(records, body)),
            m.FindInput: lambda body: self.read(lambda records: _find_input(records, body.input_id)),
        }

    # --- what is kept -------------------------------------------------------------------------------------------------

    @property
    def records(self) -> RecordReader | None:
        """What is kept, also of apps that have ended here; thread-safe, and best asked on another thread. None: nothing is."""
        return self._records.store

    async def flush(self) -> None:
        """Return when all that happened until now is in `records`."""
        await self._records.flush()

    async def read(self, question: Callable[[RecordReader], T], *, flush: bool = True) -> T:
        """What `question` finds in the records, asked on another thread; with all that happened until now, if `flush`. Raises
        `NotFoundError` if nothing is kept."""
        if flush or self.records is None:  # perhaps they are just being opened
            await self.flush()
        records = self.records
        if records is None:
            raise NotFoundError("this server keeps no records (MOTET_RECORDS is off, or they could not be written)")
        return await asyncio.to_thread(question, records)

    def subscribe(self, listener: Callable[[RecordBatch], None]) -> Callable[[], None]:
        """Have `listener` called with every batch of records, moments on the wall clock, right after it was kept (several
        times a second while things happen); call what this returns to stop that."""
        return self._records.subscribe(listener)

    # --- what runs ----------------------------------------------------------------------------------------------------

    def views(self) -> tuple[AppView, ...]:
        """The apps that run, and their functions and containers as they are now."""
        return self._catalogue.views()

    def runs(self, app: str | None, function: str | None) -> bool:
        """Whether an app, or a function of it, by id or name, runs; None: any."""
        return self._catalogue.runs(app, function)

    def live_inputs(self, *, call_id: str | None = None, function_id: str | None = None, limit: int) -> list[InputView]:
        """Inputs that have not ended: of a call or a function, running ones first. None for unknown ids."""
        return self._driver.engine.inspection.live_inputs(call_id, function_id, limit, self._driver.clock.wall)

    async def all_live_inputs(self, call_id: str | None, function_id: str | None, limit: int) -> list[InputView]:
        """The same, for many: a few at a time, so that the loop goes on meanwhile. Those that end meanwhile are left out."""
        inspection = self._driver.engine.inspection
        items = inspection.unfinished(call_id, function_id, limit)
        views: list[InputView] = []
        for first in range(0, len(items), INPUTS_AT_ONCE):
            views += inspection.view_inputs(items[first : first + INPUTS_AT_ONCE], self._driver.clock.wall)
            await asyncio.sleep(0)
        return views

    def live_input(self, input_id: str) -> InputView | None:
        """One of them; None if there is none of this id. Raises `ValueError` for what is no id."""
        return self._driver.engine.inspection.live_input(*split_input_id(input_id), self._driver.clock.wall)

    def has_call(self, call_id: str) -> bool:
        """Whether a call has unfinished inputs."""
        return self._driver.engine.inspection.has_call(call_id)

    def has_input(self, input_id: str) -> bool:
        """Whether an input has not ended. Raises `ValueError` for what is no id."""
        return self._driver.engine.inspection.has_input(*split_input_id(input_id))

    def settings(self, function_id: str) -> AutoscalerSettings:
        """A pool's bounds. Raises `NotFoundError`."""
        return self._catalogue.settings(function_id)

    # --- commands of an operator --------------------------------------------------------------------------------------

    def cancel_call(self, call_id: str, *, terminate_containers: bool = False) -> None:
        """End a call's unfinished inputs. Raises `NotFoundError` for a call that has none."""
        if not self.has_call(call_id):
            raise NotFoundError(f"no call {call_id} has unfinished inputs on this server")
        self._driver.take(e.CallCancelled(call_id, "by an operator", terminate_containers))

    def stop_container(self, container_id: str, *, graceful: bool) -> None:
        """Have a container end: when it has finished what it runs, or now, and what it runs is run elsewhere. Raises
        `NotFoundError`."""
        if not self._driver.engine.inspection.has_container(container_id):
            raise NotFoundError(f"no container {container_id} runs on this server")
        self._driver.take(e.ContainerStopAsked(container_id, graceful))

    def update_autoscaler(self, function_id: str, change: AutoscalerUpdate) -> AutoscalerSettings:
        """Other bounds for a pool. Raises `NotFoundError`, `InvalidError`."""
        return self._catalogue.update_autoscaler(function_id, change)

    # --- answers to requests ------------------------------------------------------------------------------------------

    async def _view_inputs(self, body: m.ViewInputs) -> ReplyBody:
        return m.InputsViewed(await self.all_live_inputs(body.call_id, body.function_id, min(body.limit, MAX_FOUND)))

    def _end_call(self, body: m.EndCall) -> ReplyBody:
        self.cancel_call(body.call_id, terminate_containers=body.terminate_containers)
        return Done()

    def _end_container(self, body: m.EndContainer) -> ReplyBody:
        self.stop_container(body.container_id, graceful=body.graceful)
        return Done()

    async def _erase_calls(self, body: m.EraseCalls) -> ReplyBody:
        for call_id in body.call_ids:
            if self.has_call(checked_id(call_id, "fc", "function call")):
                raise InvalidError(f"{call_id} has inputs that have not ended: `motet call cancel {call_id}` ends them")
        had_results = await self._erase_results(body.call_ids)
        if not await self._records.erase(body.call_ids) and not had_results:
            raise NotFoundError(f"nothing is kept here of {', '.join(body.call_ids[:5])}")
        return Done()

    async def _find_call_graph(self, body: m.FindCallGraph) -> ReplyBody:
        loop = asyncio.get_running_loop()

        def live(call_id: str) -> list[InputView]:
            """Asked on the thread that reads records."""
            return asyncio.run_coroutine_threadsafe(self._inputs_of(call_id), loop).result()

        def find(records: RecordReader) -> ReplyBody:
            summary = records.call(body.call_id)
            if summary is None:
                raise NotFoundError(f"no function call {body.call_id} is known on this server")
            return m.CallGraphFound(flattened(CallGraph(records, live).below_call(summary), self._catalogue.module_of))

        return await self.read(find)

    async def _inputs_of(self, call_id: str) -> list[InputView]:
        """Those of a call that have not ended; all others of it are in the records then."""
        found = await self.all_live_inputs(call_id, None, MAX_FOUND)
        await self.flush()
        return found


def _find_call(records: RecordReader, call_id: str) -> ReplyBody:
    found = records.call(call_id)
    return m.CallsFound([] if found is None else [found])


def _find_containers(records: RecordReader, body: m.FindContainers) -> ReplyBody:
    return m.ContainersFound(records.containers(body.function, ids=body.ids if body.function is None else None))


def _find_input(records: RecordReader, input_id: str) -> ReplyBody:
    record = records.input(input_id)
    if record is None:
        return m.InputFound(None, [], [])
    ids = list(dict.fromkeys(attempt.container_id for attempt in record.attempts))
    stalls = records.facts(StallRecord, ids, since=record.submitted_at, until=record.ended_at)
    return m.InputFound(record, records.containers(ids=ids), stalls)
