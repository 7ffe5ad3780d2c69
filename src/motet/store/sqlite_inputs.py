"""Ended inputs, in chunks of about a thousand: a row for each would cost more than running it does.

A chunk tells of which function (and, if it is only one, of which call) its inputs are, and what they have in common, so that
most questions are answered by decoding a few. An input is found by the chunks that its call's first and last lie in.

A call of one input that ended soon, as most are, has no row of its own either: it lies in its input's chunk (`calls`). Call
ids sort by time, so that a chunk holds a short stretch of them, and few chunks can have a given one.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec

from motet.model.outcome import OutcomeKind
from motet.records.calls import CallRecord
from motet.records.input_chunk import INPUTS_FOR_A_CHUNK, INPUTS_PER_CHUNK, InputChunk, Summary, decoded, encoded
from motet.records.inputs import InputRecord
from motet.records.queries import InputQuery
from motet.store.sqlite_keys import LAST, Keys, function_keys, key_of, mended

COUNTED = {
    OutcomeKind.SUCCESS: "succeeded",
    OutcomeKind.FAILURE: "failed",
    OutcomeKind.TIMED_OUT: "timed_out",
    OutcomeKind.CANCELLED: "cancelled",
    OutcomeKind.LOST: "lost",
    OutcomeKind.REFUSED: "failed",
}
"""The column of a call in which each kind of outcome is counted."""

_encode = msgspec.msgpack.Encoder().encode
_decode_calls = msgspec.msgpack.Decoder(list[CallRecord]).decode
_index = attrgetter("index")
_ended_at = attrgetter("ended_at")
_kind = attrgetter("kind")
_call_id = attrgetter("call_id")

EndedByCall = dict[str, list[InputRecord]]
"""Inputs that ended, by the id of their call."""

_COUNT = (
    "UPDATE calls SET ended_at = max(ended_at, ?), first_chunk = ifnull(first_chunk, ?), last_chunk = ?, "
    + ", ".join(f"{column} = {column} + ?" for column in dict.fromkeys(COUNTED.values()))
    + " WHERE key = ?"
)
_COLUMNS = {column: number for number, column in enumerate(dict.fromkeys(COUNTED.values()))}


class InputWriter:
    """Adds ended inputs, and counts them in their calls."""

    def __init__(self, connection: sqlite3.Connection, functions: Keys, containers: Keys, calls: Keys) -> None:
        self._connection = connection
        self._functions, self._containers, self._calls = functions, containers, calls
        self._clock = 0.0
        self._chunk = connection.execute("SELECT ifnull(max(key), 0) FROM chunks").fetchone()[0]

    def add(self, function_id: str, ended_of: EndedByCall, clock: float, short: Mapping[str, CallRecord]) -> None:
        """`clock` is to be added to their moments; the inputs of `short` calls bring these along."""
        self._clock = clock
        function = self._functions.of(function_id)
        mixed: list[tuple[str, list[InputRecord]]] = []
        calls: list[CallRecord] = []
        waiting = 0
        for call_id, ended in ended_of.items():
            if call_id in short:
                calls.append(short[call_id])
            else:
                self._give_row(call_id)
            if len(ended) >= INPUTS_FOR_A_CHUNK:
                for start in range(0, len(ended), INPUTS_PER_CHUNK):
                    part = ended[start : start + INPUTS_PER_CHUNK]
                    self._add_own(function, call_id, Summary.of(part), encoded(part))
                continue
            mixed.append((call_id, ended))
            waiting += len(ended)
            if waiting >= INPUTS_PER_CHUNK:
                self._add_mixed(function, mixed, calls)
                mixed, calls, waiting = [], [], 0
        if mixed:
            self._add_mixed(function, mixed, calls)

    def _give_row(self, call_id: str) -> None:
        """A call that lies with its first input, and proves to have more, gets a row after all."""
        key = self._calls.of(call_id)
        if self._connection.execute("SELECT function FROM calls WHERE key = ?", (key,)).fetchone()[0] is not None:
            return
        for chunk, call in short_calls(self._connection, call_id):
            calls = calls_in(self._connection, chunk)
            record = next(record for each, record in calls if each.call_id == call_id)
            left = _encode([each for each, _ in calls if each.call_id != call_id])
            self._connection.execute(
                "UPDATE chunks SET calls = ?, others = others || ? WHERE key = ?", (left, f"{key} ", chunk)
            )
            told = (self._functions.of(call.function_id), call.kind, call.method, call.submitted_at, record.ended_at)
            self._connection.execute(
                "UPDATE calls SET function = ?, kind = ?, method = ?, submitted_at = ?, ended_at = ?, first_chunk = ?, "
                f"last_chunk = ?, {COUNTED[record.kind]} = 1 WHERE key = ?",
                (*told, chunk, chunk, key),
            )

    def add_chunk(self, chunk: InputChunk, clock: float) -> None:
        """Inputs of one call; `clock` is to be added to their moments."""
        self._clock = clock
        self._give_row(chunk.call_id)
        self._add_own(self._functions.of(chunk.function_id), chunk.call_id, chunk.summary, chunk.data)

    def _add_own(self, function: int, call_id: str, summary: Summary, data: bytes) -> None:
        call = self._calls.of(call_id)
        self._insert(function, call, summary, data)
        self._connection.execute(_COUNT, self._counts(call, summary.kinds, summary.ended[1]))

    def _add_mixed(
        self, function: int, parts: list[tuple[str, list[InputRecord]]], calls: Sequence[CallRecord] = ()
    ) -> None:
        records = [record for _, part in parts for record in part]
        if len(parts) == 1 and not calls:
            self._add_own(function, parts[0][0], Summary.of(records), encoded(records))
            return
        ids = [it.call_id for it in calls]
        known = set(ids)
        others = [(self._calls.of(call_id), part) for call_id, part in parts if call_id not in known]
        keys = "".join(f" {key}" for key, _ in others) + " "
        short = (min(ids), max(ids), _encode(calls)) if ids else (None, None, None)
        self._insert(function, None, Summary.of(records), encoded(records), short, keys)
        counts = [self._counts(call, Counter(map(_kind, part)), max(map(_ended_at, part))) for call, part in others]
        if counts:
            self._connection.executemany(_COUNT, counts)

    def _insert(
        self,
        function: int,
        call: int | None,
        summary: Summary,
        data: bytes,
        short: tuple[str | None, str | None, bytes | None] = (None, None, None),
        others: str = " ",
    ) -> None:
        self._chunk += 1
        kinds = sum(1 << kind for kind in summary.kinds)
        containers = "".join(f" {self._containers.of(each)}" for each in summary.containers) + " "
        first, last = summary.ended
        count = sum(summary.kinds.values())
        row = (call, *summary.indices, first + self._clock, last + self._clock, kinds, containers, count, self._clock)
        self._connection.execute(
            f"INSERT INTO chunks VALUES ({', '.join('?' * 16)})", (self._chunk, function, *row, *short, others, data)
        )

    def _counts(self, call: int, kinds: Mapping[OutcomeKind, int], last_ended: float) -> tuple[float | int, ...]:
        counts = [0] * len(_COLUMNS)
        for kind, count in kinds.items():
            counts[_COLUMNS[COUNTED[kind]]] += count
        return (last_ended + self._clock, self._chunk, self._chunk, *counts, call)


def by_call(records: Iterable[InputRecord]) -> EndedByCall:
    """Inputs by their call, in order. Those of one call mostly come one after the other."""
    ended: EndedByCall = {}
    for call_id, together in groupby(records, _call_id):
        known = ended.get(call_id)
        if known is None:
            ended[call_id] = list(together)
        else:
            known.extend(together)
    return ended


def find_inputs(connection: sqlite3.Connection, query: InputQuery) -> list[InputRecord]:
    """The inputs a query asks for, in its order."""
    clauses, values = _chunk_filter(query)
    functions = function_keys(connection, query.app, query.function)
    if query.container_id is not None:
        container = key_of(connection, "containers", "container_id", query.container_id)
        if container is None:
            return []
        clauses.append("containers LIKE ?")
        values.append(f"% {container} %")
    if functions is not None:
        clauses.append(f"function IN ({', '.join(map(str, functions))})")
    if query.call_id is not None:
        return _of_call(connection, query, clauses, values)
    return _latest(connection, query, clauses, values)


def find_input(connection: sqlite3.Connection, call_id: str, index: int) -> InputRecord | None:
    """One input that has ended."""
    found = _of_call(connection, InputQuery(call_id=call_id, after_index=index - 1, limit=1), [], [])
    return found[0] if found and found[0].index == index else None


def _chunk_filter(query: InputQuery) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    if query.kinds:
        clauses.append("kinds & ?")
        values.append(sum(1 << kind for kind in set(query.kinds)))
    if query.since is not None:
        clauses.append("last_ended >= ?")
        values.append(query.since)
    if query.until is not None:
        clauses.append("first_ended <= ?")
        values.append(query.until)
    if query.before is not None:
        clauses.append("first_ended < ?")
        values.append(query.before)
    return clauses, values


def _of_call(
    connection: sqlite3.Connection, query: InputQuery, clauses: list[str], values: list[Any]
) -> list[InputRecord]:
    """Chunks in order of their lowest index, until no further one can hold a lower index than those found."""
    row = connection.execute(
        "SELECT key, first_chunk, last_chunk FROM calls WHERE call_id = ?", (mended(query.call_id or ""),)
    ).fetchone()
    if row is None or row[1] is None:
        return [
            record
            for chunk, _ in short_calls(connection, query.call_id or "")
            for record in _wanted(connection, chunk, query)
        ][: query.limit]
    call, first, last = row
    # A chunk of several calls (whose `call` is null) may hold any index of this one.
    chunks = connection.execute(
        "SELECT key, iif(call IS NULL, 0, first_index) AS lowest FROM chunks WHERE key BETWEEN ? AND ? "
        "AND (call = ? OR call IS NULL AND others LIKE ?) AND last_index > ? "
        "AND function = (SELECT function FROM chunks WHERE key = ?)"
        + "".join(f" AND {clause}" for clause in clauses)
        + " ORDER BY lowest",
        (
            first,
            last,
            call,
            f"% {call} %",
            -1 if query.after_index is None else min(query.after_index, LAST),
            first,
            *values,
        ),
    ).fetchall()
    found: list[InputRecord] = []
    for key, lowest in chunks:
        if len(found) >= query.limit and found[query.limit - 1].index < lowest:
            break
        found += _wanted(connection, key, query)
        found.sort(key=_index)
        del found[query.limit :]
    return found


def _latest(
    connection: sqlite3.Connection, query: InputQuery, clauses: list[str], values: list[Any]
) -> list[InputRecord]:
    """Chunks in order of their latest input, until no further one can hold a later input than those found."""
    chunks = connection.execute(
        f"SELECT key, last_ended FROM chunks WHERE {' AND '.join(clauses) or 'true'} ORDER BY last_ended DESC", values
    ).fetchall()
    found: list[InputRecord] = []
    for key, latest in chunks:
        if len(found) >= query.limit and found[query.limit - 1].ended_at >= latest:
            break
        found = heapq.nlargest(query.limit, [*found, *_wanted(connection, key, query)], key=_ended_at)
    return found


def _wanted(connection: sqlite3.Connection, chunk: int, query: InputQuery) -> Iterator[InputRecord]:
    clock, data = connection.execute("SELECT clock, data FROM chunks WHERE key = ?", (chunk,)).fetchone()
    return (record.later(clock) for record in decoded(data) if _is_wanted(record, query, clock))


def short_calls(connection: sqlite3.Connection, call_id: str) -> list[tuple[int, CallRecord]]:
    """A call that lies with its input, and the chunk it is in: twice or more if it had later inputs."""
    mended_id = mended(call_id)
    chunks = connection.execute(
        "SELECT key, calls FROM chunks WHERE first_call <= ? AND last_call >= ?", (mended_id, mended_id)
    )
    return [(key, call) for key, data in chunks for call in _decode_calls(data) if call.call_id == call_id]


def calls_in(connection: sqlite3.Connection, chunk: int) -> list[tuple[CallRecord, InputRecord]]:
    """The short calls of a chunk, each with its input."""
    clock, calls, data = connection.execute("SELECT clock, calls, data FROM chunks WHERE key = ?", (chunk,)).fetchone()
    inputs = {record.call_id: record for record in decoded(data)}
    return [(call, inputs[call.call_id].later(clock)) for call in _decode_calls(calls)]


def _is_wanted(record: InputRecord, query: InputQuery, clock: float) -> bool:
    ended_at = record.ended_at + clock
    return (
        (query.call_id is None or record.call_id == query.call_id)
        and (query.after_index is None or record.index > query.after_index)
        and (not query.kinds or record.kind in query.kinds)
        and (query.since is None or ended_at >= query.since)
        and (query.until is None or ended_at <= query.until)
        and (query.before is None or ended_at < query.before)
        and (query.container_id is None or _was_in(record, query.container_id))
    )


def _was_in(record: InputRecord, container_id: str) -> bool:
    return any(attempt.container_id == container_id for attempt in record.attempts)


def forget_inputs(connection: sqlite3.Connection, before: float) -> None:
    """Drop chunks whose inputs all ended before a moment."""
    connection.execute("DELETE FROM chunks WHERE last_ended < ?", (before,))
