"""Log lines: one row each, and a full-text index of their words and of whose they are.

Lines are kept in segments, each with tables of its own: an index that grows no further stays quick to add to, the newest
lines are found without looking at the oldest, and old ones go by dropping tables. The index holds a second column beside
the text: which function, container, source, call and input a line is of, as words. So every filter, and any combination of
them, is one question to one index, and a line costs no entries in others (which take twice the time and room, measured).
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Sequence
from typing import Any, get_args

from motet.model.ids import split_input_id
from motet.records.logs import LogBatch, LogLine, LogSource
from motet.records.queries import LogQuery
from motet.store.sqlite_keys import LAST, Keys, function_keys, key_of, mended

LINES_PER_SEGMENT = 1 << 20
_LINES_PER_BLOCK = 4096
SOURCES: tuple[LogSource, ...] = get_args(LogSource)
_SOURCE_NUMBERS = {source: number for number, source in enumerate(SOURCES)}
_SHORTEST_BEGINNING = 3
"""Characters a word needs to stand for all that begin with it: the index would gather too many for less."""

_Row = tuple[Any, ...]

_SEGMENT = """
CREATE TABLE lines_{n}(position INTEGER PRIMARY KEY, at REAL, function INTEGER, container INTEGER, call INTEGER, number INTEGER,
    source INTEGER, text TEXT);
CREATE VIRTUAL TABLE words_{n} USING fts5(text, owner, content = '', columnsize = 0, tokenize = 'unicode61');
INSERT INTO words_{n}(words_{n}, rank) VALUES ('automerge', 0), ('crisismerge', 32), ('hashsize', 16777216);
"""


class LogWriter:
    """Adds lines to the newest segment."""

    def __init__(
        self, connection: sqlite3.Connection, functions: Keys, containers: Keys, calls: Keys, size: int
    ) -> None:
        self._connection = connection
        self._functions, self._containers, self._calls = functions, containers, calls
        self._size = size
        self._segment, self._first = connection.execute(
            "SELECT ifnull(max(number), 0), ifnull(max(first_position), 0) FROM segments"
        ).fetchone()
        self._next = self._first
        if self._segment:
            last = connection.execute(f"SELECT max(position) FROM lines_{self._segment}").fetchone()[0]
            self._next = self._first if last is None else last + 1

    def add(self, batches: Sequence[LogBatch]) -> None:
        rows: list[_Row] = []
        words: list[tuple[int, str, str]] = []
        spans: dict[int, tuple[float, float]] = {}
        position = self._next
        for batch in batches:
            whose = self._whose(batch)
            owner = _owner(*whose)
            first = position
            for line in _storable(batch.lines):
                rows.append((position, batch.at, *whose, line))
                words.append((position, line, owner))
                position += 1
            _widen(spans, first, position, batch.at)
        done = 0
        while done < len(rows):
            done += self._insert(rows[done:], words[done:])
        self._connection.executemany(
            "INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET earliest = min(earliest, excluded.earliest), "
            "latest = max(latest, excluded.latest)",
            [(number, *span) for number, span in spans.items()],
        )

    def _whose(self, batch: LogBatch) -> tuple[int, int, int, int, int]:
        return (
            self._functions.of(batch.function_id),
            self._containers.of(batch.container_id),
            self._calls.of(batch.call_id),
            batch.index,
            _SOURCE_NUMBERS[batch.source],
        )

    def _insert(self, rows: list[_Row], words: list[tuple[int, str, str]]) -> int:
        """Insert as many as the segment has room for."""
        room: int = self._first + self._size - self._next
        if not self._segment or room <= 0:
            self._begin_segment()
            room = self._size
        self._connection.executemany(f"INSERT INTO lines_{self._segment} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows[:room])
        self._connection.executemany(
            f"INSERT INTO words_{self._segment}(rowid, text, owner) VALUES (?, ?, ?)", words[:room]
        )
        added = min(room, len(rows))
        self._next += added
        return added

    def _begin_segment(self) -> None:
        self._segment += 1
        self._first = self._next
        self._connection.execute("INSERT INTO segments VALUES (?, ?)", (self._segment, self._first))
        for statement in _SEGMENT.format(n=self._segment).split(";\n")[:-1]:
            self._connection.execute(statement)

    def forget(self, before: float) -> int:
        """Drop lines from before a moment. The words of those that go stay in the index until their whole segment goes."""
        last = self._connection.execute("SELECT max(number) FROM blocks WHERE earliest < ?", (before,)).fetchone()[0]
        if last is None:
            return 0
        end = (last + 1) * _LINES_PER_BLOCK
        segments = self._connection.execute("SELECT number FROM segments WHERE first_position < ?", (end,)).fetchall()
        forgotten = sum(self._forget_in(number, end, before) for (number,) in segments)
        self._connection.execute("DELETE FROM blocks WHERE latest < ?", (before,))
        return forgotten

    def erase(self, calls: Sequence[int]) -> None:
        """Have nothing left of the lines of these calls (keys), in the index neither."""
        if not calls:
            return
        match = f"owner : ({' OR '.join(f'c{key}' for key in calls)})"
        for (number,) in self._connection.execute("SELECT number FROM segments ORDER BY number").fetchall():
            self._erase_in(number, match)

    def _erase_in(self, number: int, match: str) -> None:
        rows = self._connection.execute(
            f"SELECT position, lines_{number}.text, function, container, call, number, source FROM words_{number} "
            f"CROSS JOIN lines_{number} ON position = words_{number}.rowid WHERE words_{number} MATCH ?",
            (match,),
        ).fetchall()
        if not rows:
            return
        self._connection.executemany(
            f"INSERT INTO words_{number}(words_{number}, rowid, text, owner) VALUES ('delete', ?, ?, ?)",
            [(position, text, _owner(*whose)) for position, text, *whose in rows],
        )
        self._connection.executemany(f"DELETE FROM lines_{number} WHERE position = ?", [(row[0],) for row in rows])
        # Until it is written anew, the index has the words still.
        self._connection.execute(f"INSERT INTO words_{number}(words_{number}) VALUES ('optimize')")
        if number == self._segment and rows[-1][0] == self._next - 1:
            # Whoever follows the lines has been told of this position: the next line gets a later one.
            self._begin_segment()

    def oldest_call(self) -> int:
        """The least key of a call in the oldest lines: keys are given in the order in which calls are first named."""
        bounds = 0, LAST
        for segment in _segments(self._connection, bounds, newest=False):
            ask = f"SELECT call FROM (SELECT call FROM lines_{segment} ORDER BY position LIMIT ?) WHERE call ORDER BY call"
            if row := self._connection.execute(ask, (_LINES_PER_BLOCK,)).fetchone():
                return int(row[0])
        return LAST

    def _forget_in(self, number: int, end: int, before: float) -> int:
        deleted: int = self._connection.execute(
            f"DELETE FROM lines_{number} WHERE position < ? AND at < ?", (end, before)
        ).rowcount
        last = self._connection.execute(f"SELECT max(position) FROM lines_{number}").fetchone()[0]
        if number == self._segment and deleted and last != self._next - 1:
            # No later line may take the position of one that went: it would be found by that one's words.
            self._begin_segment()
        if last is None and number != self._segment:
            self._connection.execute(f"DROP TABLE lines_{number}")
            self._connection.execute(f"DROP TABLE words_{number}")
            self._connection.execute("DELETE FROM segments WHERE number = ?", (number,))
        return deleted


def find_lines(connection: sqlite3.Connection, query: LogQuery) -> list[LogLine]:
    """The lines a query asks for, oldest first."""
    bounds, match = _bounds(connection, query), _match(connection, query)
    if bounds is None or match is None:
        return []
    found: list[_Row] = []
    for segment in _segments(connection, bounds, query.newest):
        found += _find_in(connection, segment, bounds, match, query, query.limit - len(found))
        if len(found) == query.limit:
            break
    return _lines(connection, found[::-1] if query.newest else found)


def _bounds(connection: sqlite3.Connection, query: LogQuery) -> tuple[int, int] | None:
    """Between which positions the lines must be, so far as time tells."""
    lowest = 0 if query.after is None else min(query.after, LAST - 1) + 1
    if query.since is None and query.until is None:
        return lowest, LAST
    first, last = connection.execute(
        "SELECT min(number), max(number) FROM blocks WHERE latest >= ifnull(?, latest) AND earliest <= ifnull(?, earliest)",
        (query.since, query.until),
    ).fetchone()
    if first is None:
        return None
    return max(lowest, first * _LINES_PER_BLOCK), (last + 1) * _LINES_PER_BLOCK - 1


def _match(connection: sqlite3.Connection, query: LogQuery) -> list[str] | None:
    """What the full-text index is to be asked, all of which must hold; None if there can be no such line."""
    owners = [_functions(connection, query), _container(connection, query), _input(connection, query)]
    if query.sources:
        owners.append([f"s{_SOURCE_NUMBERS[source]}" for source in query.sources])
    if [] in owners:
        return None
    match = [f"owner : ({' OR '.join(words)})" for words in owners if words]
    if query.search is not None and (word := _last_word(query.search)):
        text = mended(query.search).replace("\0", " ").replace('"', '""')
        match.append(f'text : "{text}"' + (" *" if len(word) >= _SHORTEST_BEGINNING else ""))
    return match


def _functions(connection: sqlite3.Connection, query: LogQuery) -> list[str] | None:
    keys = function_keys(connection, query.app, query.function)
    return None if keys is None else [f"f{key}" for key in keys]


def _container(connection: sqlite3.Connection, query: LogQuery) -> list[str] | None:
    if query.container_id is None:
        return None
    key = key_of(connection, "containers", "container_id", query.container_id)
    return [] if key is None else [f"k{key}"]


def _input(connection: sqlite3.Connection, query: LogQuery) -> list[str] | None:
    call_id, index = query.call_id, ""
    if query.input_id is not None:
        try:
            call_id, number = split_input_id(query.input_id)
        except ValueError:
            return []
        index = f" i{number}"
    if call_id is None:
        return None
    key = key_of(connection, "calls", "call_id", call_id)
    return [] if key is None or query.call_id not in (None, call_id) else [f'"c{key}{index}"']


def _segments(connection: sqlite3.Connection, bounds: tuple[int, int], newest: bool) -> list[int]:
    segments = connection.execute(
        "SELECT number, first_position, lead(first_position, 1, ?) OVER (ORDER BY number) FROM segments ORDER BY number",
        (LAST,),
    )
    within = [number for number, first, end in segments if first <= bounds[1] and end > bounds[0]]
    return within[::-1] if newest else within


def _find_in(
    connection: sqlite3.Connection, segment: int, bounds: tuple[int, int], match: list[str], query: LogQuery, limit: int
) -> list[_Row]:
    clauses, values = ["position BETWEEN ? AND ?"], list[object](bounds)
    tables = f"lines_{segment}"
    if match:
        # The index leads, whatever the planner thinks: it yields positions in order.
        tables = f"words_{segment} CROSS JOIN lines_{segment} ON position = words_{segment}.rowid"
        clauses += [f"words_{segment}.rowid BETWEEN ? AND ?", f"words_{segment} MATCH ?"]
        values += [*bounds, " AND ".join(match)]
    if query.since is not None:
        clauses.append("at >= ?")
        values.append(query.since)
    if query.until is not None:
        clauses.append("at <= ?")
        values.append(query.until)
    if query.search is not None and not _last_word(query.search):
        clauses.append(f"instr(lines_{segment}.text, ?)")
        values.append(mended(query.search))
    order = f"words_{segment}.rowid" if match else "position"
    return connection.execute(
        f"SELECT position, at, function, container, call, number, source, lines_{segment}.text FROM {tables} "
        f"WHERE {' AND '.join(clauses)} ORDER BY {order} {'DESC' if query.newest else 'ASC'} LIMIT ?",
        (*values, limit),
    ).fetchall()


def _lines(connection: sqlite3.Connection, rows: list[_Row]) -> list[LogLine]:
    functions = _named(connection, "key, app_id, function_id, name", "functions", {row[2] for row in rows})
    containers = _named(connection, "key, container_id", "containers", {row[3] for row in rows})
    calls = _named(connection, "key, call_id", "calls", {row[4] for row in rows})
    found = []
    for position, at, function, container, call, index, source, text in rows:
        app_id, function_id, name = functions.get(function, (None, "", None))
        container_id, call_id = containers.get(container, ("",))[0], calls.get(call, ("",))[0]
        line = (
            position,
            at,
            app_id or "",
            function_id,
            name or "",
            container_id,
            call_id,
            index,
            SOURCES[source],
            text,
        )
        found.append(LogLine(*line))
    return found


def _named(connection: sqlite3.Connection, columns: str, table: str, keys: set[int]) -> dict[int, tuple[Any, ...]]:
    wanted = json.dumps(sorted(keys))
    rows = connection.execute(f"SELECT {columns} FROM {table} WHERE key IN (SELECT value FROM json_each(?))", (wanted,))
    return {row[0]: row[1:] for row in rows}


def _owner(function: int, container: int, call: int, index: int, source: int) -> str:
    """The words for whose a line is. A call and an index follow each other, to be found as a phrase."""
    if not call:
        return f"f{function} k{container} s{source}"
    return f"f{function} k{container} s{source} c{call}" + (f" i{index}" if index >= 0 else "")


def _storable(lines: list[str]) -> list[str]:
    text = "".join(lines)
    return lines if text.isascii() or mended(text) is text else [mended(line) for line in lines]


def _last_word(text: str) -> str:
    """The end of the last of the text's words, as the index splits it: letters and digits."""
    word = ""
    for char in reversed(text):
        if unicodedata.category(char)[0] in "LN" or unicodedata.category(char) in ("Co", "Mn"):
            word = char + word
        elif word:
            break
        if len(word) == _SHORTEST_BEGINNING:
            break
    return word


def _widen(spans: dict[int, tuple[float, float]], first: int, end: int, at: float) -> None:
    for block in range(first // _LINES_PER_BLOCK, (end - 1) // _LINES_PER_BLOCK + 1):
        earliest, latest = spans.get(block, (at, at))
        spans[block] = min(earliest, at), max(latest, at)
