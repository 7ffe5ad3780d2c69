"""What is asked of a journal in an SQLite file, over connections that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence

import msgspec

from motet.errors import NotFoundError
from motet.model.outcome import InputEnd, OutcomeKind
from motet.store.blob_reference import MARKER
from motet.store.journal import KeptApp, KeptCall, UnfinishedPart
from motet.store.journal_parts import unfinished_parts
from motet.store.sqlite_file import SqliteFile

_UNFINISHED = f"""
SELECT key, kept, place, length(payload), submitted_at, attempts, retries, lone_losses, due_at, last_attempt,
        CASE substr(payload, 1, {len(MARKER)}) WHEN x'{MARKER.hex()}' THEN payload ELSE x'' END
    FROM calls JOIN inputs ON call = key WHERE waiting > 0 ORDER BY calls.made_at, key, place
"""

_call = msgspec.msgpack.Decoder(KeptCall)
_app = msgspec.msgpack.Decoder(KeptApp)


class JournalReading:
    """The questions of a `Journal`. Thread-safe; each sees one state of the file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def unfinished(self, most: int = 1000) -> Iterator[UnfinishedPart]:
        """See `Journal`."""
        with self._file.reading() as reader:
            yield from unfinished_parts(reader.execute(_UNFINISHED), most)

    def payloads(self, inputs: Sequence[tuple[str, int]]) -> list[bytes]:
        """See `Journal`."""
        question = "SELECT payload FROM inputs WHERE call = (SELECT key FROM calls WHERE call_id = ?) AND place = ?"
        with self._file.reading() as reader:
            rows = [reader.execute(question, each).fetchone() for each in inputs]
            return [row[0] if row else b"" for row in rows]

    def kept(self, call_id: str) -> KeptCall:
        """See `Journal`."""
        return self.call(call_id)[0]

    def call(self, call_id: str) -> tuple[KeptCall, int]:
        """See `Journal`."""
        with self._file.reading() as reader:
            _, kept, num_inputs = self._find(reader, call_id)
            return _call.decode(kept), num_inputs

    def known(self, call_id: str, indices: Collection[int]) -> dict[int, bool]:
        """See `Journal`."""
        found: dict[int, bool] = {}
        with self._file.reading() as reader:
            row = reader.execute("SELECT key FROM calls WHERE call_id = ?", (call_id,)).fetchone()
            for table in ("inputs", "outcomes") if row else ():
                question = f"SELECT 1 FROM {table} WHERE call = ? AND place = ?"
                for index in indices:
                    if reader.execute(question, (row[0], index)).fetchone():
                        found[index] = table == "outcomes"
        return found

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        """See `Journal`."""
        with self._file.reading() as reader:
            key, _, num_inputs = self._find(reader, call_id)
            rows = reader.execute(
                "SELECT place, kind, payload FROM outcomes WHERE call = ? AND place >= ? ORDER BY place LIMIT ?",
                (key, index, limit),
            ).fetchall()
            found = [
                InputEnd(place, OutcomeKind(kind), payload)
                for number, (place, kind, payload) in enumerate(rows, index)
                if place == number
            ]
            if not found:
                waits = "SELECT 1 FROM inputs WHERE call = ? AND place = ?"
                if reader.execute(waits, (key, index)).fetchone() is None:
                    raise NotFoundError(f"{call_id} has no input {index}: it has {num_inputs}")
            return found

    def by_key(self, key: bytes) -> KeptCall | None:
        """See `Journal`."""
        with self._file.reading() as reader:
            row = reader.execute("SELECT kept FROM calls WHERE idempotency = ?", (key,)).fetchone()
            return _call.decode(row[0]) if row else None

    def apps(self) -> list[KeptApp]:
        """See `Journal`."""
        with self._file.reading() as reader:
            return [_app.decode(kept) for (kept,) in reader.execute("SELECT kept FROM apps ORDER BY number")]

    def check(self) -> list[str]:
        """See `Journal`."""
        counted = """
        SELECT call_id, num_inputs, waiting, (SELECT COUNT(*) FROM inputs WHERE call = key), (SELECT COUNT(*) FROM outcomes
            WHERE call = key) FROM calls
        """
        with self._file.reading() as reader:
            wrong = [str(text) for (text,) in reader.execute("PRAGMA integrity_check") if text != "ok"]
            for call_id, num_inputs, waiting, without, ended in reader.execute(counted) if not wrong else ():
                if waiting != without or num_inputs != without + ended:
                    wrong.append(
                        f"{call_id} has {without} unfinished inputs and {ended} outcomes, and should have {waiting} and "
                        f"{num_inputs - waiting}"
                    )
            return wrong

    def _find(self, reader: sqlite3.Connection, call_id: str) -> tuple[int, bytes, int]:
        row = reader.execute("SELECT key, kept, num_inputs FROM calls WHERE call_id = ?", (call_id,)).fetchone()
        if row is None:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server (any more)")
        return tuple(row)
