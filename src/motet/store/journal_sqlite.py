"""The journal of a server that stays, in an SQLite file that its user alone can read: arguments and results are private.

Unfinished inputs have a table of their own, so that a server starts as fast after ten million calls as after ten.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from motet.errors import AlreadyExistsError
from motet.store.journal import (
    AppGone,
    AppKept,
    CallMade,
    CallsForgotten,
    Entry,
    InputsAdded,
    InputsEnded,
    InputTried,
    JournalFenced,
    KeptApp,
    KeptCall,
)
from motet.store.journal_sqlite_reading import JournalReading
from motet.store.sqlite_file import SqliteFile
from motet.store.sqlite_layout import SqliteLayout
from motet.store.sqlite_many_rows import ManyRows

_FIRST = """
CREATE TABLE term(number INTEGER NOT NULL);
INSERT INTO term VALUES(0);
CREATE TABLE calls(key INTEGER PRIMARY KEY, call_id TEXT UNIQUE NOT NULL, made_at REAL NOT NULL, ended_at REAL NOT NULL,
    principal INTEGER NOT NULL, num_inputs INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,
    idempotency BLOB UNIQUE, kept BLOB NOT NULL);
CREATE INDEX unfinished ON calls(made_at) WHERE waiting > 0;
CREATE INDEX finished ON calls(ended_at) WHERE waiting = 0;
CREATE TABLE inputs(call INTEGER NOT NULL, place INTEGER NOT NULL, submitted_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, lone_losses INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0, last_attempt INTEGER NOT NULL DEFAULT 0, payload BLOB NOT NULL,
    PRIMARY KEY(call, place)) WITHOUT ROWID;
CREATE TABLE outcomes(call INTEGER NOT NULL, place INTEGER NOT NULL, kind INTEGER NOT NULL, ended_at REAL NOT NULL,
    payload BLOB NOT NULL, PRIMARY KEY(call, place)) WITHOUT ROWID;
CREATE TRIGGER added AFTER INSERT ON inputs BEGIN
    UPDATE calls SET num_inputs = num_inputs + 1, waiting = waiting + 1 WHERE key = NEW.call;
END;
CREATE TRIGGER ended AFTER INSERT ON outcomes BEGIN
    DELETE FROM inputs WHERE call = NEW.call AND place = NEW.place;
    UPDATE calls SET waiting = waiting - 1, ended_at = MAX(ended_at, NEW.ended_at) WHERE key = NEW.call;
END;
CREATE TABLE apps(number INTEGER PRIMARY KEY, app_id TEXT UNIQUE NOT NULL, kept BLOB NOT NULL);
"""

# By which a home knows its journal (`journal_identity.py`). It never changes.
_BESIDE = """
CREATE TABLE IF NOT EXISTS identity(id TEXT NOT NULL);
INSERT INTO identity SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM identity);
"""

LAYOUT = SqliteLayout(
    what="spawned calls",
    steps={1: _FIRST},
    beside=_BESIDE,
    advice="See that the directory can be written and its disk has room; if the file is damaged, restore it from a backup",
    loss="delete journal.id beside it: then spawned calls are lost that had not ended, with the results of others",
    # Whose arguments have a right to be erased is not known when they go, which is when their input ends.
    overwrites=True,
)

# One that is another principal's is refused, by a value that this column does not take.
_NEW_CALLS = ManyRows(
    6,
    lambda rows: (
        f"""
INSERT INTO calls(call_id, made_at, ended_at, principal, idempotency, kept) VALUES {rows}
    ON CONFLICT(call_id) DO UPDATE SET principal = NULL WHERE principal <> excluded.principal
"""
    ),
)
_NEW_INPUTS = ManyRows(
    4,
    lambda rows: (
        f"""
WITH added(call_id, place, submitted_at, payload) AS (VALUES {rows})
INSERT INTO inputs(call, place, submitted_at, payload)
    SELECT calls.key, added.place, added.submitted_at, added.payload
    FROM added CROSS JOIN calls ON calls.call_id = added.call_id
    WHERE NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.call = calls.key AND outcomes.place = added.place)
    ON CONFLICT DO NOTHING
"""
    ),
)
_TRIED = """
UPDATE inputs SET attempts = ?, retries = ?, lone_losses = ?, due_at = ?, last_attempt = ?
    WHERE call = (SELECT key FROM calls WHERE call_id = ?) AND place = ?
"""
# Of two for one input the first counts: the second finds that one, or no input any more.
_NEW_OUTCOMES = ManyRows(
    5,
    lambda rows: (
        f"""
WITH said(call_id, place, kind, ended_at, payload) AS (VALUES {rows})
INSERT INTO outcomes
    SELECT inputs.call, inputs.place, said.kind, said.ended_at, said.payload
    FROM said CROSS JOIN calls ON calls.call_id = said.call_id
        CROSS JOIN inputs ON inputs.call = calls.key AND inputs.place = said.place
    WHERE true ON CONFLICT DO NOTHING
"""
    ),
)
_encode = msgspec.msgpack.Encoder().encode


class SqliteJournal(JournalReading):
    """See `Journal`. What was kept outlives the process, and the machine. Raises `ServiceError` if the file cannot be
    opened, is damaged, or was written by a newer Motet."""

    def __init__(self, path: Path) -> None:
        super().__init__(SqliteFile(path, LAYOUT))
        try:
            with self._file.writing() as writer:
                writer.execute("UPDATE term SET number = number + 1")
                self._term = _term(writer)
        except BaseException:
            self._file.close()
            raise

    @property
    def term(self) -> int:
        """See `Journal`."""
        return self._term

    @property
    def identity(self) -> str:
        """That of the file, since it was made."""
        with self._file.reading() as reader:
            return str(reader.execute("SELECT id FROM identity").fetchone()[0])

    # --- writing ------------------------------------------------------------------------------------------------------

    def keep(self, entries: Sequence[Entry]) -> None:
        """See `Journal`."""
        of: dict[type[Entry], list[Any]] = {kind: [] for kind in Entry.__args__}
        for entry in entries:
            of[type(entry)].append(entry)
        with self._writing() as writer:
            if not entries:
                writer.execute("UPDATE term SET number = number")
            calls = [each.call for each in of[CallMade]]
            try:
                _NEW_CALLS.write(writer, map(_call_row, calls))
            except sqlite3.IntegrityError as error:
                raise _refused(writer, calls) from error
            _NEW_INPUTS.write(writer, _input_rows(of[InputsAdded]))
            writer.executemany(_TRIED, map(_tried_row, of[InputTried]))
            _NEW_OUTCOMES.write(writer, _outcome_rows(of[InputsEnded]))
            for forgotten in of[CallsForgotten]:
                _forget(writer, forgotten)
            for kept in of[AppKept]:
                _keep_app(writer, kept.app)
            writer.executemany("DELETE FROM apps WHERE app_id = ?", [(each.app_id,) for each in of[AppGone]])
        if of[CallsForgotten]:
            self._file.truncate_log()

    def expire(self, before: float, most: int = 1000) -> int:
        """See `Journal`."""
        gone = 0
        with self._writing() as writer:
            old = writer.execute(
                "SELECT key, num_inputs FROM calls WHERE waiting = 0 AND ended_at < ? ORDER BY ended_at LIMIT ?",
                (before, most),
            ).fetchall()
            for key, count in old:
                room = most - gone
                if room <= 0:
                    break
                if count <= room:
                    writer.execute("DELETE FROM outcomes WHERE call = ?", (key,))
                    writer.execute("DELETE FROM calls WHERE key = ?", (key,))
                    gone += max(1, count)
                else:
                    some = "SELECT place FROM outcomes WHERE call = ? ORDER BY place LIMIT ?"
                    writer.execute(f"DELETE FROM outcomes WHERE call = ? AND place IN ({some})", (key, key, room))
                    writer.execute("UPDATE calls SET num_inputs = num_inputs - ? WHERE key = ?", (room, key))
                    gone += room
        return gone

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or none."""
        with self._file.writing() as writer:
            if (term := _term(writer)) != self._term:
                raise JournalFenced(
                    f"another server has {self._file.path} since term {term}, and this one had term {self._term}"
                )
            yield writer

    def close(self) -> None:
        """See `Journal`."""
        self._file.close()


def _term(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT number FROM term").fetchone()[0])


def _refused(writer: sqlite3.Connection, calls: list[KeptCall]) -> AlreadyExistsError:
    """Which call is another principal's, or has a key that another one has: asked before the transaction is undone."""
    holders: dict[bytes, str] = {}
    for call in calls:
        question = "SELECT call_id, principal FROM calls WHERE call_id = ? OR idempotency = ?"
        for holder, principal in writer.execute(question, (call.call_id, call.key or None)):
            if holder == call.call_id and principal != call.principal:
                return AlreadyExistsError(f"{call.call_id} is another principal's")
            holders.setdefault(call.key, holder)
        holder = holders.setdefault(call.key, call.call_id)
        if call.key and holder != call.call_id:
            return AlreadyExistsError(f"{holder} has the key of {call.call_id} already")
    return AlreadyExistsError("a call has the key of another one")


def _forget(writer: sqlite3.Connection, entry: CallsForgotten) -> None:
    for call_id in entry.call_ids:
        row = writer.execute("SELECT key FROM calls WHERE call_id = ?", (call_id,)).fetchone()
        for table in ("inputs", "outcomes") if row else ():
            writer.execute(f"DELETE FROM {table} WHERE call = ?", row)
        if row:
            writer.execute("DELETE FROM calls WHERE key = ?", row)


def _keep_app(writer: sqlite3.Connection, app: KeptApp) -> None:
    writer.execute(
        "INSERT INTO apps(app_id, kept) VALUES(?, ?) ON CONFLICT(app_id) DO UPDATE SET kept = excluded.kept",
        (app.app_id, _encode(app)),
    )


def _call_row(call: KeptCall) -> tuple[Any, ...]:
    return call.call_id, call.made_at, call.made_at, call.principal, call.key or None, _encode(call)


def _input_rows(entries: Sequence[InputsAdded]) -> Iterator[tuple[Any, ...]]:
    return ((it.call_id, new.index, it.at, new.payload) for it in entries for new in it.inputs)


def _tried_row(it: InputTried) -> tuple[Any, ...]:
    return it.attempts, it.retries, it.lone_losses, it.due_at, it.last_attempt, it.call_id, it.index


def _outcome_rows(entries: Sequence[InputsEnded]) -> Iterator[tuple[Any, ...]]:
    return ((it.call_id, end.index, int(end.kind), it.at, end.payload) for it in entries for end in it.ended)
