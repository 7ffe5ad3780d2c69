"""Small numbers for long ids: rows and index entries hold these instead."""

from __future__ import annotations

import sqlite3

LAST = (1 << 63) - 1
"""The greatest number that SQLite knows."""

_MAX_REMEMBERED = 200_000


class Keys:
    """The keys of one table, for the one who writes. An id that is met before its record gets a row without one."""

    def __init__(self, connection: sqlite3.Connection, table: str, column: str) -> None:
        self._connection = connection
        self._find = f"SELECT key FROM {table} WHERE {column} = ?"
        self._insert = f"INSERT INTO {table}(key, {column}) VALUES (?, ?)"
        self._known: dict[str, int] = {"": 0}
        self._last = connection.execute(f"SELECT ifnull(max(key), 0) FROM {table}").fetchone()[0]

    def of(self, id_: str) -> int:
        """The key of an id; 0 for none."""
        key = self._known.get(id_)
        return key if key is not None else self._look_up(id_)

    def _look_up(self, id_: str) -> int:
        row = self._connection.execute(self._find, (id_,)).fetchone()
        if row is None:
            self._last += 1
            self._connection.execute(self._insert, (self._last, id_))
        key: int = row[0] if row is not None else self._last
        if len(self._known) > _MAX_REMEMBERED:
            self._known = {"": 0}
        self._known[id_] = key
        return key


def key_of(connection: sqlite3.Connection, table: str, column: str, id_: str) -> int | None:
    """The key of an id that a reader asks for, if there is one."""
    row = connection.execute(f"SELECT key FROM {table} WHERE {column} = ?", (mended(id_),)).fetchone()
    return row[0] if row else None


def function_keys(connection: sqlite3.Connection, app: str | None, function: str | None) -> list[int] | None:
    """The keys of the functions that are meant by ids or names; None if that is all of them."""
    if app is None and function is None:
        return None
    clauses, values = [], []
    if app is not None:
        clauses.append("(app_id = ? OR app_id IN (SELECT app_id FROM apps WHERE name = ?))")
        values += [mended(app)] * 2
    if function is not None:
        clauses.append("(function_id = ? OR name = ?)")
        values += [mended(function)] * 2
    return [row[0] for row in connection.execute(f"SELECT key FROM functions WHERE {' AND '.join(clauses)}", values)]


def mended(text: str) -> str:
    """The text with U+FFFD for each half of a character (a lone surrogate), which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
