"""What pages ask for: each method answers one request with JSON-able values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from motet.errors import InvalidError, NotFoundError, ServiceError
from motet.model.ids import split_input_id
from motet.model.scaling import AutoscalerUpdate
from motet.model.views import AppView, ContainerView, FunctionView, InputView
from motet.records.facts import DecisionRecord, SampleRecord, StallRecord
from motet.records.inputs import InputRecord
from motet.records.pools import AppRecord, FunctionRecord
from motet.records.queries import InputQuery
from motet.records.timeline import Timeline, timeline
from motet.server.dashboard import shown
from motet.server.dashboard.call_tree import call_tree
from motet.server.dashboard.filters import Filters, call_query, checked_id, input_query, log_query
from motet.server.dashboard.series import latencies, thinned
from motet.server.dashboard.shown import Json
from motet.server.operations import Operations
from motet.store.records import RecordReader

T = TypeVar("T")

LIVE_INPUTS = 1000
"""Inputs that have not ended that a table shows."""
ENDED_CONTAINERS = 200
DECISIONS = 200
DEFAULT_SPAN = 300.0
"""Seconds that charts show if nothing else is asked for."""


class CancelRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a command to cancel a call."""

    terminate_containers: bool = False


class StopRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a command to stop a container."""

    graceful: bool = True


class Api:
    """Questions and commands about one server. Records are read on other threads, so that the server's loop goes on."""

    def __init__(self, operations: Operations, clock: Callable[[], float] = time.time) -> None:
        self._operations = operations
        self.clock = clock

    @property
    def operations(self) -> Operations:
        """The server."""
        return self._operations

    async def read(self, question: Callable[[RecordReader], T]) -> T:
        """What `question` finds in the records, with all that happened until now in them. Raises `ServiceError`."""
        await self._operations.flush()
        records = self._operations.records
        if records is None:
            raise ServiceError(
                "this server keeps no records, so only what runs now can be seen "
                "(MOTET_RECORDS is off, or they cannot be written)"
            )
        return await asyncio.to_thread(question, records)

    # --- apps and functions -------------------------------------------------------------------------------------------

    async def apps(self, filters: Filters) -> Json:
        """All apps, those that run with their functions."""
        filters.done()
        views = {view.app_id: view for view in self._operations.views()}
        kept = [] if self._operations.records is None else await self.read(lambda records: records.apps())
        known = {app.app_id for app in kept}
        unknown = [shown.app_without_record(view) for view in views.values() if view.app_id not in known]
        return {"apps": unknown + [shown.app_json(app, views.get(app.app_id)) for app in kept]}

    async def app(self, app_id: str, filters: Filters) -> Json:
        """One app and its functions."""
        filters.done()
        checked_id(app_id, "ap", "app")
        view = next((each for each in self._operations.views() if each.app_id == app_id), None)

        def find(records: RecordReader) -> Json:
            return {
                "app": shown.app_json(_app(records, app_id), view),
                "functions": [shown.function_json(each) for each in records.functions(app_id)],
            }

        return await self.read(find)

    async def function(self, function_id: str, filters: Filters) -> Json:
        """One function: its pool, its containers, and why it has as many as it has."""
        filters.done()
        checked_id(function_id, "fu", "function")
        app, view = self._pool(function_id)
        views = _containers_of(view)

        def find(records: RecordReader) -> Json:
            record = _function(records, function_id, None if app is None else app.app_id)
            owner = _app(records, record.app_id)
            ended = records.containers(function_id)[:ENDED_CONTAINERS]
            known = {each.container_id for each in ended}
            decisions = records.facts(DecisionRecord, [function_id], limit=DECISIONS)
            older = records.containers(ids=[each for each in views if each not in known]) if views else []
            return {
                "function": shown.function_json(record),
                "app": {"name": owner.name, "started_at": owner.started_at, "ended_at": owner.ended_at},
                "view": None if view is None else shown.function_view_json(view),
                "containers": shown.containers_json([*ended, *older], views),
                "decisions": [shown.decision_json(each) for each in decisions],
            }

        found = await self.read(find)
        found["settings"] = None if view is None else msgspec.to_builtins(self._operations.settings(function_id))
        return found

    async def series(self, function_id: str, filters: Filters) -> Json:
        """A function's numbers over time: samples, and latencies (seconds)."""
        now = self.clock()
        until = filters.moment("until") or now
        since = filters.moment("since") or until - DEFAULT_SPAN
        buckets = filters.number("buckets", 60, least=1, most=200) or 60
        filters.done()
        checked_id(function_id, "fu", "function")
        if since >= until:
            raise InvalidError("since= must be earlier than until=")

        def find(records: RecordReader) -> Json:
            # The sample before the span tells what its beginning was like: samples are taken when something has changed.
            samples = records.facts(SampleRecord, [function_id], since=since, until=until)
            return {
                "since": since,
                "until": until,
                "samples": [shown.sample_json(each) for each in thinned(samples, since, until)],
                "latencies": latencies(records, function_id, since, until, buckets),
            }

        return await self.read(find)

    async def update_autoscaler(self, function_id: str, body: bytes) -> Json:
        """Change a pool's bounds; those it has then."""
        checked_id(function_id, "fu", "function")
        change = read_body(body, AutoscalerUpdate)
        settings = self._operations.update_autoscaler(function_id, change)
        return {"settings": msgspec.to_builtins(settings)}

    # --- calls and inputs ---------------------------------------------------------------------------------------------

    async def calls(self, filters: Filters) -> Json:
        """Calls, the newest first."""
        query = call_query(filters)
        found = await self.read(lambda records: records.calls(query))
        return {"calls": [shown.call_json(each) for each in found], "limit": query.limit}

    async def call(self, call_id: str, filters: Filters) -> Json:
        """One call: how its inputs ended, and those that have not."""
        filters.done()
        checked_id(call_id, "fc", "call")
        live = self._operations.live_inputs(call_id=call_id, limit=LIVE_INPUTS)
        found = await self.read(lambda records: records.call(call_id))
        if found is None:
            raise NotFoundError(f"no call {call_id} is known here")
        return {"call": shown.call_json(found), "live": _live_counts(live), "live_is_complete": len(live) < LIVE_INPUTS}

    async def inputs(self, call_id: str, filters: Filters) -> Json:
        """Inputs of a call in order: ended ones from `after` on; `next` is where to go on, None at the end."""
        checked_id(call_id, "fc", "call")
        query = input_query(filters, call_id)
        found = await self.read(lambda records: records.inputs(query))
        more = len(found) == query.limit
        return {"inputs": [shown.input_json(each) for each in found], "next": found[-1].index if more else None}

    async def live_inputs(self, filters: Filters) -> Json:
        """Inputs of a call or function that have not ended, running ones first."""
        call_id, function_id = filters.identifier("call", "fc"), filters.identifier("function", "fu")
        limit = filters.limit(200)
        filters.done()
        if (call_id is None) == (function_id is None):
            raise InvalidError("give call= or function=")
        found = self._operations.live_inputs(call_id=call_id, function_id=function_id, limit=limit)
        return {"inputs": [shown.live_input_json(each) for each in found]}

    async def input(self, input_id: str, filters: Filters) -> Json:
        """One input: its attempts, where its time went, how it ended."""
        filters.done()
        call_id, _ = split_input_id(checked_id(input_id, "in", "input"))
        live = self._operations.live_input(input_id)

        def find(records: RecordReader) -> Json:
            record, summary = records.input(input_id), records.call(call_id)
            if summary is None or (record is None and live is None):
                raise NotFoundError(f"no input {input_id} is known here")
            found: Json = {"call": shown.call_json(summary), "failure": None, "attempts_made": [], "timeline": None}
            if record is None:
                assert live is not None
                return {**found, "input": shown.live_input_json(live)}
            return {
                **found,
                "input": shown.input_json(record),
                "failure": shown.failure_json(record.failure),
                "attempts_made": [shown.attempt_json(each) for each in record.attempts],
                "timeline": shown.timeline_json(_timeline(records, record)),
            }

        return await self.read(find)

    async def tree(self, input_id: str, filters: Filters) -> Json:
        """The calls around an input."""
        filters.done()
        checked_id(input_id, "in", "input")
        loop = asyncio.get_running_loop()

        def live(call_id: str) -> list[InputView]:
            """Asked on the thread that reads records."""
            return asyncio.run_coroutine_threadsafe(self._live_inputs(call_id, input_id), loop).result()

        return await self.read(lambda records: call_tree(records, live, input_id))

    async def _live_inputs(self, call_id: str, wanted: str) -> list[InputView]:
        """Inputs of a call that have not ended, that one among them if it is; all that have ended are in the records then."""
        found = self._operations.live_inputs(call_id=call_id, limit=LIVE_INPUTS)
        own = self._operations.live_input(wanted)
        await self._operations.flush()
        return found if own is None or own.call_id != call_id or own in found else [*found, own]

    async def cancel_call(self, call_id: str, body: bytes) -> Json:
        """End a call's unfinished inputs."""
        checked_id(call_id, "fc", "call")
        wanted = read_body(body, CancelRequest)
        self._operations.cancel_call(call_id, terminate_containers=wanted.terminate_containers)
        return {}

    # --- containers and lines -----------------------------------------------------------------------------------------

    async def container(self, container_id: str, filters: Filters) -> Json:
        """One container: its life, and what it ran last."""
        filters.done()
        checked_id(container_id, "ta", "container")

        def find(records: RecordReader) -> Json:
            record = records.container(container_id)
            if record is None:
                raise NotFoundError(f"no container {container_id} is known here")
            ended = records.inputs(InputQuery(container_id=container_id, limit=200))
            function = _function(records, record.function_id, None)
            return {"record": record, "function": function, "inputs": [shown.input_json(each) for each in ended]}

        found = await self.read(find)
        record, function = found.pop("record"), found["function"]
        _, view = self._pool(record.function_id)
        live = self._operations.live_inputs(function_id=record.function_id, limit=LIVE_INPUTS) if view else []
        found["container"] = shown.container_json(record, _containers_of(view).get(container_id))
        found["function"] = shown.function_json(function)
        found["live"] = [shown.live_input_json(each) for each in live if each.container_id == container_id]
        return found

    async def stop_container(self, container_id: str, body: bytes) -> Json:
        """Have a container end."""
        checked_id(container_id, "ta", "container")
        wanted = read_body(body, StopRequest)
        self._operations.stop_container(container_id, graceful=wanted.graceful)
        return {}

    async def logs(self, filters: Filters) -> Json:
        """Lines, the oldest first."""
        query = log_query(filters)
        found = await self.read(lambda records: records.logs(query))
        return {"lines": [shown.line_json(each) for each in found], "limit": query.limit}

    # --- what runs now ------------------------------------------------------------------------------------------------

    def _pool(self, function_id: str) -> tuple[AppView | None, FunctionView | None]:
        for app in self._operations.views():
            for function in app.functions:
                if function.function_id == function_id:
                    return app, function
        return None, None


def _timeline(records: RecordReader, record: InputRecord) -> Timeline:
    ids = list(dict.fromkeys(attempt.container_id for attempt in record.attempts))
    containers = {each.container_id: each for each in records.containers(ids=ids)}
    stalls = records.facts(StallRecord, ids, since=record.submitted_at, until=record.ended_at)
    return timeline(record, containers, stalls)


def _containers_of(view: FunctionView | None) -> dict[str, ContainerView]:
    return {} if view is None else {each.container_id: each for each in view.containers}


def _live_counts(live: list[InputView]) -> dict[str, int]:
    counts = {"running": 0, "waiting": 0}
    for view in live:
        counts["running" if view.state == "running" else "waiting"] += 1
    return counts


def _function(records: RecordReader, function_id: str, app_id: str | None) -> FunctionRecord:
    found = next((each for each in records.functions(app_id) if each.function_id == function_id), None)
    if found is None:
        raise NotFoundError(f"no function {function_id} is known here")
    return found


def _app(records: RecordReader, app_id: str) -> AppRecord:
    found = next((each for each in records.apps() if each.app_id == app_id), None)
    if found is None:
        raise NotFoundError(f"no app {app_id} is known here")
    return found


def read_body(body: bytes, kind: type[T]) -> T:
    """A command's body. Raises `InvalidError` that says what is wrong with it."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidError(f"the body of this command is wrong: {error}") from None


def encode(value: Any) -> bytes:
    """As JSON."""
    return msgspec.json.encode(value)
