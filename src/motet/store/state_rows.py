"""Shared state in tables: the statements are the same for all databases, and each says how one is carried out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString, Protocol

from motet.store.state import MAX_PAGE, MAX_PAGE_BYTES, StateObject


class Execute(Protocol):
    """Carries out a statement, with `?` for each value and `$` before the name of each table; the rows that it answers."""

    def __call__(self, statement: LiteralString, values: Sequence[Any] = ()) -> list[Any]: ...


_OBJECT = "number, id, principal, made_at, entries, size"
_BEGINS = "id >= ? AND id < ?"


class SqlStateRows:
    """See `StateRows`."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute

    def find(self, state_id: str) -> StateObject | None:
        """See `StateRows`."""
        rows = self._execute(f"SELECT {_OBJECT} FROM $state_objects WHERE id = ?", (state_id,))
        return StateObject(*rows[0]) if rows else None

    def make(self, state_id: str, principal: int, at: float) -> StateObject:
        """See `StateRows`."""
        values = state_id, principal, at
        self._execute("INSERT INTO $state_objects(id, principal, made_at) VALUES(?, ?, ?)", values)
        made = self.find(state_id)
        assert made is not None
        return made

    def remove(self, found: StateObject) -> None:
        """See `StateRows`."""
        self._execute("DELETE FROM $dict_entries WHERE object = ?", (found.number,))
        self._execute("DELETE FROM $state_objects WHERE number = ?", (found.number,))

    def listed(self, prefix: str) -> list[StateObject]:
        """See `StateRows`."""
        rows = self._execute(f"SELECT {_OBJECT} FROM $state_objects WHERE {_BEGINS} ORDER BY id", _range(prefix))
        return [StateObject(*row) for row in rows]

    def count(self, prefix: str) -> int:
        """See `StateRows`."""
        return int(self._execute(f"SELECT COUNT(*) FROM $state_objects WHERE {_BEGINS}", _range(prefix))[0][0])

    def sizes(self) -> dict[int, int]:
        """See `StateRows`."""
        rows = self._execute("SELECT principal, CAST(SUM(size) AS BIGINT) FROM $state_objects GROUP BY principal")
        return {int(principal): int(size) for principal, size in rows}

    def get(self, number: int, key: bytes) -> bytes | None:
        """See `StateRows`."""
        rows = self._execute("SELECT value FROM $dict_entries WHERE object = ? AND hash = ?", (number, _hash(key)))
        return bytes(rows[0][0]) if rows else None

    def has(self, number: int, key: bytes) -> bool:
        """See `StateRows`."""
        return bool(self._execute("SELECT 1 FROM $dict_entries WHERE object = ? AND hash = ?", (number, _hash(key))))

    def put(self, number: int, entries: Sequence[tuple[bytes, bytes]], skip_if_exists: bool) -> tuple[int, int]:
        """See `StateRows`."""
        new = count = more = 0
        for key, value in entries:
            where = number, _hash(key)
            rows = self._execute("SELECT length(value) FROM $dict_entries WHERE object = ? AND hash = ?", where)
            if rows and skip_if_exists:
                continue
            self._execute(
                "INSERT INTO $dict_entries(object, hash, name, value) VALUES(?, ?, ?, ?) "
                "ON CONFLICT(object, hash) DO UPDATE SET value = excluded.value",
                (*where, key, value),
            )
            count += 1
            new += not rows
            more += len(value) - (rows[0][0] if rows else -len(key))
        self._grow(number, new, more)
        return count, more

    def pop(self, number: int, key: bytes) -> bytes | None:
        """See `StateRows`."""
        value = self.get(number, key)
        if value is not None:
            self._execute("DELETE FROM $dict_entries WHERE object = ? AND hash = ?", (number, _hash(key)))
            self._grow(number, -1, -len(key) - len(value))
        return value

    def page(
        self, number: int, after: bytes, with_keys: bool, with_values: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """See `StateRows`."""
        lengths = ((with_keys, "length(name)"), (with_values, "length(value)"))
        size = " + ".join(length for is_wanted, length in lengths if is_wanted) or "0"
        # First how long they are: one row may be as large as all that goes into an answer.
        rows = self._execute(
            f"SELECT hash, {size} FROM $dict_entries WHERE object = ? AND hash > ? ORDER BY hash LIMIT ?",
            (number, after, MAX_PAGE),
        )
        last = _fitting(rows)
        if not rows:
            return [], b""
        key, value = "name" if with_keys else "''", "value" if with_values else "''"
        found = self._execute(
            f"SELECT {key}, {value} FROM $dict_entries WHERE object = ? AND hash > ? AND hash <= ? ORDER BY hash",
            (number, after, last),
        )
        is_whole = len(rows) < MAX_PAGE and bytes(rows[-1][0]) == last
        entries = [(bytes(k) if with_keys else b"", bytes(v) if with_values else b"") for k, v in found]
        return entries, b"" if is_whole else last

    def clear(self, number: int) -> None:
        """See `StateRows`."""
        self._execute("DELETE FROM $dict_entries WHERE object = ?", (number,))
        self._execute("UPDATE $state_objects SET entries = 0, size = 0 WHERE number = ?", (number,))

    def _grow(self, number: int, entries: int, size: int) -> None:
        values = entries, size, number
        self._execute("UPDATE $state_objects SET entries = entries + ?, size = size + ? WHERE number = ?", values)


def _range(prefix: str) -> tuple[str, str]:
    """Up to the highest character, as LIKE would take % and _ in it for what they are not."""
    return prefix, prefix + "\U0010ffff"


def _hash(key: bytes) -> bytes:
    """By which a key is found: no index takes long keys."""
    return hashlib.sha256(key).digest()


def _fitting(rows: Iterable[Any]) -> bytes:
    """The hash of the last of those that go into one answer; of one at least."""
    last, total = b"", 0
    for found, size in rows:
        total += size
        if last and total > MAX_PAGE_BYTES:
            break
        last = bytes(found)
    return last
