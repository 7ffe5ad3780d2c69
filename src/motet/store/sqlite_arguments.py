"""Arguments of inputs that failed, and definitions of their functions, so that they can be run once more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.store.sqlite_file import overwriting
from motet.store.sqlite_keys import mended

SCHEMA = """
CREATE TABLE IF NOT EXISTS arguments(key INTEGER PRIMARY KEY, call_id TEXT NOT NULL, place INTEGER NOT NULL, function_id TEXT,
    ended_at REAL, payload BLOB, UNIQUE(call_id, place));
CREATE TABLE IF NOT EXISTS definitions(function_id TEXT PRIMARY KEY, data BLOB);
"""
"""A file of this format may lack them: it was made before they were added."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DefinitionRecord).decode


class ArgumentsWriter:
    """Adds arguments, `most` bytes in all: then the oldest go."""

    def __init__(self, connection: sqlite3.Connection, most: int) -> None:
        self._connection = connection
        self._most = most
        self._bytes = _size(connection)

    def add(self, arguments: Iterable[ArgumentsRecord], definitions: Iterable[DefinitionRecord], clock: float) -> None:
        """`clock` is to be added to their moments."""
        rows = [
            (mended(it.call_id), it.index, it.function_id, it.ended_at + clock, bytes(it.payload)) for it in arguments
        ]
        if not rows:
            return
        self._connection.executemany(
            "INSERT OR REPLACE INTO arguments(call_id, place, function_id, ended_at, payload) VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO definitions VALUES (?, ?)", [(it.function_id, _encode(it)) for it in definitions]
        )
        self._bytes += sum(len(row[4]) for row in rows)
        if self._bytes > self._most:
            self._make_room()

    def _make_room(self) -> None:
        """Not by each input one: a tenth is free afterwards."""
        last, left = 0, self._bytes
        sizes = self._connection.execute("SELECT key, length(payload) FROM arguments ORDER BY key")
        for key, size in sizes:
            if left <= 0.9 * self._most:
                break
            last, left = key, left - size
        _delete(self._connection, "key <= ?", last)
        self._bytes = _size(self._connection)


def forget_arguments(connection: sqlite3.Connection, before: float) -> None:
    """Drop those of inputs that ended before a moment."""
    _delete(connection, "ended_at < ?", before)


def count_arguments(connection: sqlite3.Connection) -> int:
    """Of how many inputs they are kept."""
    return int(connection.execute("SELECT count(*) FROM arguments").fetchone()[0]) if _is_here(connection) else 0


def find_arguments(connection: sqlite3.Connection, call_id: str, index: int) -> ArgumentsRecord | None:
    """Those of an input, if they are kept."""
    if not _is_here(connection):
        return None
    row = connection.execute(
        "SELECT call_id, place, function_id, ended_at, payload FROM arguments WHERE call_id = ? AND place = ?",
        (mended(call_id), index),
    ).fetchone()
    return None if row is None else ArgumentsRecord(*row)


def find_definition(connection: sqlite3.Connection, function_id: str) -> DefinitionRecord | None:
    """That of a function, if arguments of it are kept."""
    if not _is_here(connection):
        return None
    row = connection.execute("SELECT data FROM definitions WHERE function_id = ?", (function_id,)).fetchone()
    return None if row is None else _decode(row[0])


def _delete(connection: sqlite3.Connection, which: str, value: float) -> None:
    """Their bytes are overwritten, as they may be somebody's who has a right to that. With the last of a function goes where
    it is found."""
    if not connection.execute(f"SELECT 1 FROM arguments WHERE {which} LIMIT 1", (value,)).fetchone():
        return
    with overwriting(connection):
        connection.execute(f"DELETE FROM arguments WHERE {which}", (value,))
        connection.execute("DELETE FROM definitions WHERE function_id NOT IN (SELECT function_id FROM arguments)")


def _size(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT ifnull(sum(length(payload)), 0) FROM arguments").fetchone()[0])


def _is_here(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'arguments'").fetchone() is not None
