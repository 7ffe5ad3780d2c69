"""Requests of those who look at a server and operate it, answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from motet.errors import InvalidError, NotFoundError
from motet.model.ids import split_input_id
from motet.model.views import InputView
from motet.records.batch import RecordBatch
from motet.records.call_graph import CallGraph
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.queries import MAX_FOUND, LogQuery
from motet.server.operations import Operations
from motet.server.refusals import answer, refusal
from motet.store.records import RecordReader
from motet.wire import operator_messages as m
from motet.wire.call_graph import flattened
from motet.wire.client_messages import AutoscalerUpdated, Done, ReplyBody, RequestBody

F = TypeVar("F")
Reply = Callable[[int, ReplyBody], None]


class OperatorRequests:
    """`handlers` by the type of request; each answers now, or returns None and replies later."""

    def __init__(self, operations: Operations, reply: Reply, open_dashboard: Callable[[], tuple[str, str]]) -> None:
        self._operations = operations
        self._reply = reply
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.handlers: dict[type[Any], Callable[[int, Any], ReplyBody | None]] = {
            m.ViewServer: lambda request_id, body: m.ServerViewed(list(operations.views())),
            m.ViewInputs: self._view_inputs,
            m.ViewSettings: lambda request_id, body: AutoscalerUpdated(operations.settings(body.function_id)),
            m.ViewEnvironment: lambda request_id, body: m.EnvironmentViewed(operations.environment(body.container_id)),
            m.EndCall: self._end_call,
            m.EndContainer: self._end_container,
            m.OpenDashboard: lambda request_id, body: m.DashboardOpened(*open_dashboard()),
            m.FindLogs: lambda request_id, body: self._later(request_id, body, self._find_logs(body)),
            m.FindCalls: lambda request_id, body: self._find(
                request_id, body, lambda records: m.CallsFound(records.calls(body.query))
            ),
            m.FindCallGraph: self._find_call_graph,
            m.FindInput: lambda request_id, body: self._find(
                request_id, body, lambda records: _find_input(records, body.input_id)
            ),
        }

    def _view_inputs(self, request_id: int, body: m.ViewInputs) -> None:
        async def view() -> ReplyBody:
            found = await self._operations.all_live_inputs(body.call_id, body.function_id, min(body.limit, MAX_FOUND))
            return m.InputsViewed(found)

        self._later(request_id, body, view())

    def _end_call(self, request_id: int, body: m.EndCall) -> ReplyBody:
        self._operations.cancel_call(body.call_id, terminate_containers=body.terminate_containers)
        return Done()

    def _end_container(self, request_id: int, body: m.EndContainer) -> ReplyBody:
        self._operations.stop_container(body.container_id, graceful=body.graceful)
        return Done()

    def _find(self, request_id: int, body: RequestBody, find: Callable[[RecordReader], ReplyBody]) -> None:
        self._later(request_id, body, self._found(find))

    def _later(self, request_id: int, body: RequestBody, found: Coroutine[Any, Any, ReplyBody]) -> None:
        task = asyncio.get_running_loop().create_task(self._reply_later(request_id, body, found))
        self._tasks[request_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request_id, None))

    async def _reply_later(self, request_id: int, request: RequestBody, found: Coroutine[Any, Any, ReplyBody]) -> None:
        try:
            body = await found
        except Exception as error:
            body = refusal(request, error)
        answer(lambda body: self._reply(request_id, body), request, body)

    async def _found(self, find: Callable[[RecordReader], F], *, flush: bool = True) -> F:
        if flush or self._operations.records is None:  # perhaps they are just being opened
            await self._operations.flush()
        records = self._operations.records
        if records is None:
            raise NotFoundError("this server keeps no records (MOTET_RECORDS is off, or they could not be written)")
        return await asyncio.to_thread(find, records)

    def _find_call_graph(self, request_id: int, body: m.FindCallGraph) -> None:
        loop = asyncio.get_running_loop()

        def live(call_id: str) -> list[InputView]:
            """Asked on the thread that reads records."""
            return asyncio.run_coroutine_threadsafe(self._live_inputs(call_id), loop).result()

        self._find(
            request_id, body, lambda records: _call_graph(records, live, self._operations.module_of, body.call_id)
        )

    async def _live_inputs(self, call_id: str) -> list[InputView]:
        """Those of a call; all others of it are in the records then."""
        found = await self._operations.all_live_inputs(call_id, None, MAX_FOUND)
        await self._operations.flush()
        return found

    async def _find_logs(self, body: m.FindLogs) -> ReplyBody:
        """Who waits looks once, and then again when lines that may be meant have been kept, or there will be no more: at most
        once for each time that records are. Only who does not wait has what is not kept yet be kept for it."""
        query = body.query
        more = asyncio.Event()

        def kept(batch: RecordBatch) -> None:
            if any(_may_be_meant(query, lines) for lines in batch.logs) or not self._goes_on(query):
                more.set()

        unsubscribe = self._operations.subscribe(kept)
        try:
            while True:
                over = not self._goes_on(query)
                more.clear()
                lines = await self._found(lambda records: records.logs(query), flush=over or not body.wait)
                if over or not body.wait or lines:
                    return m.LogsFound(lines, over)
                await more.wait()
        finally:
            unsubscribe()

    def _goes_on(self, query: LogQuery) -> bool:
        """Whether what a query is about may still write lines. Asked often: it looks at no input but the one that is meant."""
        operations = self._operations
        if query.input_id is not None:
            with contextlib.suppress(ValueError):
                return operations.has_input(query.input_id)
        if query.call_id is not None:
            return operations.has_call(query.call_id)
        return operations.runs(query.app, query.function)

    def forget(self, request_id: int) -> None:
        """This answer is not wanted any more. Idempotent."""
        if (task := self._tasks.pop(request_id, None)) is not None:
            task.cancel()

    def close(self) -> None:
        """None of the answers is wanted any more."""
        for request_id in list(self._tasks):
            self.forget(request_id)


def _call_graph(
    records: RecordReader, live: Callable[[str], list[InputView]], module_of: Callable[[str], str], call_id: str
) -> m.CallGraphFound:
    summary = records.call(call_id)
    if summary is None:
        raise NotFoundError(f"no function call {call_id} is known on this server")
    return m.CallGraphFound(flattened(CallGraph(records, live).below_call(summary), module_of))


def _may_be_meant(query: LogQuery, lines: LogBatch) -> bool:
    """Whether a query may find lines; what is cheap to know."""
    call_id, index = None, lines.index
    if query.input_id is not None:
        with contextlib.suppress(ValueError):
            call_id, index = split_input_id(query.input_id)
    return (
        call_id in (None, lines.call_id)
        and index == lines.index
        and query.call_id in (None, lines.call_id)
        and query.container_id in (None, lines.container_id)
    )


def refuse_inside(request_id: int, body: RequestBody) -> ReplyBody:
    """For what only those outside may ask."""
    raise InvalidError(f"{type(body).__name__} is refused to code in containers: ask from outside")


def _find_input(records: RecordReader, input_id: str) -> m.InputFound:
    record = records.input(input_id)
    if record is None:
        return m.InputFound(None, [], [])
    ids = _containers_of(record)
    stalls = records.stalls(ids, record.submitted_at, record.ended_at)
    return m.InputFound(record, records.containers(ids=ids), stalls)


def _containers_of(record: InputRecord) -> list[str]:
    return list(dict.fromkeys(attempt.container_id for attempt in record.attempts))
