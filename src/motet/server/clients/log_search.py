"""Lines found for whoever asks, now or when they come."""

from __future__ import annotations

import asyncio
import contextlib

from motet.model.ids import split_input_id
from motet.records.batch import RecordBatch
from motet.records.logs import LogBatch
from motet.records.queries import LogQuery
from motet.server.operations import Operations
from motet.wire.operator_messages import FindLogs, LogsFound


async def find_logs(operations: Operations, body: FindLogs) -> LogsFound:
    """Who waits looks once, and then again when lines that may be meant have been kept, or there will be no more: at most
    once for each time that records are. Only who does not wait has what is not kept yet be kept for it."""
    query = body.query
    more = asyncio.Event()

    def kept(batch: RecordBatch) -> None:
        if any(_may_be_meant(query, lines) for lines in batch.logs) or not _goes_on(operations, query):
            more.set()

    unsubscribe = operations.subscribe(kept)
    try:
        while True:
            over = not _goes_on(operations, query)
            more.clear()
            lines = await operations.read(lambda records: records.logs(query), flush=over or not body.wait)
            if over or not body.wait or lines:
                return LogsFound(lines, over)
            await more.wait()
    finally:
        unsubscribe()


def _goes_on(operations: Operations, query: LogQuery) -> bool:
    """Whether what a query is about may still write lines. Asked often: it looks at no input but the one that is meant."""
    if query.input_id is not None:
        with contextlib.suppress(ValueError):
            return operations.has_input(query.input_id)
    if query.call_id is not None:
        return operations.has_call(query.call_id)
    return operations.runs(query.app, query.function)


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
