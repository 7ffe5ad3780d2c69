"""Calls, one row each, with counts of how their inputs ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any

from motet.model.outcome import CallKind, OutcomeKind
from motet.records.calls import CallRecord, CallSummary
from motet.records.queries import CallQuery
from motet.store.sqlite_inputs import COUNTED, calls_in, short_calls
from motet.store.sqlite_keys import Keys, function_keys, mended

_SELECT = (
    "SELECT call_id, function_id, kind, method, submitted_at, parent, app_id, name, ended_at, "
    "succeeded, failed, cancelled, timed_out, lost FROM calls JOIN functions ON functions.key = calls.function"
)


def add_calls(connection: sqlite3.Connection, functions: Keys, calls: Keys, records: Sequence[CallRecord]) -> None:
    """Keep calls; one that is there gets the newer values, and keeps its counts."""
    connection.executemany(
        "UPDATE calls SET function = ?, kind = ?, method = ?, submitted_at = ?, parent = ? WHERE key = ?",
        [
            (
                functions.of(it.function_id),
                it.kind,
                it.method,
                it.submitted_at,
                it.parent_input_id,
                calls.of(it.call_id),
            )
            for it in records
        ],
    )


def find_call(connection: sqlite3.Connection, call_id: str) -> CallSummary | None:
    """One call."""
    row = connection.execute(f"{_SELECT} WHERE call_id = ?", (mended(call_id),)).fetchone()
    if row:
        return _summary(row)
    found = [
        summary
        for chunk, _ in short_calls(connection, call_id)
        for summary in _short_of(connection, chunk)
        if summary.call.call_id == call_id
    ]
    return _joined(found)[0] if found else None


def find_calls(connection: sqlite3.Connection, query: CallQuery) -> list[CallSummary]:
    """The calls a query asks for, the newest first."""
    clauses, values = _filter(query)
    functions = function_keys(connection, query.app, query.function)
    if functions is None:
        functions = [row[0] for row in connection.execute("SELECT key FROM functions")]
    # Calls are indexed by function and time: a second index, by time alone, would make each cost a fifth more.
    ask = f"{_SELECT} WHERE calls.function = ? {''.join(clauses)} ORDER BY submitted_at DESC LIMIT ?"
    rows = (connection.execute(ask, (function, *values, query.limit)) for function in functions)
    found = [_summary(row) for row in islice(merge(*rows, key=lambda row: row[4], reverse=True), query.limit)]
    if query.parent_input_id is not None:  # such calls have rows
        return found
    return _with_short(connection, query, functions, found)


def _with_short(
    connection: sqlite3.Connection, query: CallQuery, functions: Sequence[int], found: list[CallSummary]
) -> list[CallSummary]:
    """Add calls that lie in chunks, the latest chunk first, until no further one can hold a later call than those found."""
    chunks = connection.execute(
        f"SELECT key, last_ended FROM chunks WHERE first_call IS NOT NULL AND function IN ({', '.join(map(str, functions))}) "
        + ("AND last_ended >= ? " if query.since is not None else "")
        + ("AND kinds & ? " if query.kinds else "")
        + "ORDER BY last_ended DESC",
        [
            *([query.since] if query.since is not None else []),
            *([sum(1 << kind for kind in set(query.kinds))] if query.kinds else []),
        ],
    ).fetchall()
    for chunk, last_ended in chunks:
        if len(found) >= query.limit and found[query.limit - 1].call.submitted_at >= last_ended:
            break
        fitting = [
            it
            for it in _short_of(connection, chunk, query.kinds)
            if (query.since is None or it.call.submitted_at >= query.since)
            and (query.until is None or it.call.submitted_at <= query.until)
            and (query.before is None or it.call.submitted_at < query.before)
        ]
        found = _joined([*found, *fitting])[: query.limit]
    return found


def _short_of(connection: sqlite3.Connection, chunk: int, kinds: Sequence[OutcomeKind] = ()) -> Iterator[CallSummary]:
    """The calls that lie in a chunk; those with an input that ended in one of these ways, if any are given."""
    app_id, name = connection.execute(
        "SELECT app_id, name FROM functions WHERE key = (SELECT function FROM chunks WHERE key = ?)",
        (chunk,),
    ).fetchone()
    columns = list(dict.fromkeys(COUNTED.values()))
    wanted = {COUNTED[OutcomeKind(kind)] for kind in kinds}
    for call, record in calls_in(connection, chunk):
        column = COUNTED[record.kind]
        if not wanted or column in wanted:
            counts = {each: int(each == column) for each in columns}
            yield CallSummary(call, app_id or "", name or "", record.ended_at, **counts)


def _joined(found: Sequence[CallSummary]) -> list[CallSummary]:
    """The newest first; what is told of one call in several places is put together."""
    by_id: dict[str, CallSummary] = {}
    for each in found:
        other = by_id.get(each.call.call_id)
        if other is None:
            by_id[each.call.call_id] = each
            continue
        first = min(each, other, key=lambda it: it.call.submitted_at)
        by_id[each.call.call_id] = CallSummary(
            first.call,
            first.app_id,
            first.function_name,
            max(each.ended_at, other.ended_at),
            **{column: getattr(each, column) + getattr(other, column) for column in dict.fromkeys(COUNTED.values())},
        )
    return sorted(by_id.values(), key=lambda it: it.call.submitted_at, reverse=True)


def _filter(query: CallQuery) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    if query.parent_input_id is not None:
        clauses.append(" AND parent = ?")
        values.append(mended(query.parent_input_id))
    if query.kinds:
        columns = {COUNTED[OutcomeKind(kind)] for kind in query.kinds}
        clauses.append(f" AND {' + '.join(sorted(columns))} > 0")
    for bound, compared in ((query.since, ">="), (query.until, "<="), (query.before, "<")):
        if bound is not None:
            clauses.append(f" AND submitted_at {compared} ?")
            values.append(bound)
    return clauses, values


def _summary(row: tuple[Any, ...]) -> CallSummary:
    call_id, function_id, kind, method, submitted_at, parent, app_id, name, ended_at, *counts = row
    call = CallRecord(call_id, function_id, CallKind(kind), method, submitted_at, parent)
    return CallSummary(call, app_id or "", name or "", ended_at, *counts)


def forget_calls(connection: sqlite3.Connection, before: float, oldest_in_lines: int) -> None:
    """Drop calls of which nothing is kept any more and nothing has happened since a moment; one without ended inputs runs.

    Rows that are there only because lines name a short call go when all lines are of later ones (`oldest_in_lines`, a key).
    """
    connection.execute(
        "DELETE FROM calls WHERE ended_at > 0 AND ended_at < ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE key = last_chunk)",
        (before,),
    )
    connection.execute(
        "DELETE FROM calls WHERE function IS NULL AND first_chunk IS NULL AND key < ?",
        (oldest_in_lines,),
    )
