"""What is asked of a journal in PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import psycopg

from motet.errors import NotFoundError
from motet.model.outcome import InputEnd, OutcomeKind
from motet.store.blob_reference import MARKER
from motet.store.journal import KeptApp, KeptCall, UnfinishedPart
from motet.store.journal_parts import unfinished_parts
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection

_FETCHED = 10_000
"""Rows that come with one question, of those which a server reads when it starts."""

_UNFINISHED = f"""
SELECT key, kept, place, octet_length(payload), submitted_at, attempts, retries, lone_losses, due_at, last_attempt,
        CASE substring(payload FROM 1 FOR {len(MARKER)}) WHEN '\\x{MARKER.hex()}'::bytea THEN payload ELSE ''::bytea END
    FROM motet.inputs JOIN motet.calls ON key = call ORDER BY made_at, key, place
"""
# Each is found by both columns of its index, whatever statistics say.
_PAYLOADS = """
SELECT found.payload FROM unnest(%s::text[], %s::integer[]) WITH ORDINALITY AS asked(call_id, place, number)
    LEFT JOIN motet.calls AS calls ON calls.call_id = asked.call_id
    LEFT JOIN LATERAL (
        SELECT payload FROM motet.inputs WHERE call = calls.key AND place = asked.place LIMIT 1
    ) AS found ON true ORDER BY asked.number
"""
_KNOWN = """
SELECT place, false FROM motet.inputs WHERE call = %s AND place = ANY(%s)
UNION ALL SELECT place, true FROM motet.outcomes WHERE call = %s AND place = ANY(%s)
"""
_COUNT = """
SELECT (SELECT count(*) FROM motet.inputs WHERE call = %s) + (SELECT count(*) FROM motet.outcomes WHERE call = %s)
"""
_WRONG = """
SELECT COALESCE(call_id, 'call ' || call) || ' input ' || place || ' has an outcome, and waits for one'
    FROM motet.inputs JOIN motet.outcomes USING(call, place) LEFT JOIN motet.calls ON key = call
UNION ALL SELECT DISTINCT 'inputs are left of call ' || call || ', which is gone'
    FROM motet.inputs WHERE NOT EXISTS(SELECT FROM motet.calls WHERE key = call)
UNION ALL SELECT DISTINCT 'outcomes are left of call ' || call || ', which is gone'
    FROM motet.outcomes WHERE NOT EXISTS(SELECT FROM motet.calls WHERE key = call)
"""

_call = msgspec.msgpack.Decoder(KeptCall)
_app = msgspec.msgpack.Decoder(KeptApp)


class PostgresJournalReading:
    """The questions of a `Journal`. Thread-safe. `name`: what its sessions are called."""

    def __init__(self, address: PostgresAddress, name: str) -> None:
        self._address = address
        self._name = name
        self._reader = PostgresConnection(address, name=name, by_index=True)

    def unfinished(self, most: int = 1000) -> Iterator[UnfinishedPart]:
        """See `Journal`."""
        with self._reading_all() as session, session.transaction(), session.cursor("unfinished") as cursor:
            cursor.itersize = _FETCHED
            yield from unfinished_parts(cursor.execute(_UNFINISHED), most)

    @contextlib.contextmanager
    def _reading_all(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of its own: what is asked meanwhile need not wait."""
        self._reader.check_open()
        with (
            contextlib.closing(PostgresConnection(self._address, name=self._name)) as connection,
            connection.reading() as session,
        ):
            yield session

    def payloads(self, inputs: Sequence[tuple[str, int]]) -> list[bytes]:
        """See `Journal`."""
        call_ids, places = [call_id for call_id, _ in inputs], [place for _, place in inputs]
        rows = self._reader.rows(_PAYLOADS, call_ids, places)
        return [payload or b"" for (payload,) in rows]

    def kept(self, call_id: str) -> KeptCall:
        """See `Journal`."""
        return _call.decode(self._find(call_id)[1])

    def call(self, call_id: str) -> tuple[KeptCall, int]:
        """See `Journal`."""
        key, kept = self._find(call_id)
        return _call.decode(kept), self._count(key)

    def known(self, call_id: str, indices: Collection[int]) -> dict[int, bool]:
        """See `Journal`."""
        asked = list(indices)
        try:
            key, _ = self._find(call_id)
        except NotFoundError:
            return {}
        return dict(self._reader.rows(_KNOWN, key, asked, key, asked))

    def outcomes(self, call_id: str, index: int, limit: int) -> list[InputEnd]:
        """See `Journal`."""
        key, _ = self._find(call_id)
        rows = self._reader.rows(
            "SELECT place, kind, payload FROM motet.outcomes WHERE call = %s AND place >= %s ORDER BY place LIMIT %s",
            key,
            index,
            limit,
        )
        found = [
            InputEnd(place, OutcomeKind(kind), payload)
            for number, (place, kind, payload) in enumerate(rows, index)
            if place == number
        ]
        if not found and not self._reader.rows("SELECT 1 FROM motet.inputs WHERE call = %s AND place = %s", key, index):
            # It may have ended between the two questions.
            if self._reader.rows("SELECT 1 FROM motet.outcomes WHERE call = %s AND place = %s", key, index):
                return self.outcomes(call_id, index, limit)
            raise NotFoundError(f"{call_id} has no input {index}: it has {self._count(key)}")
        return found

    def by_key(self, key: bytes) -> KeptCall | None:
        """See `Journal`."""
        rows = self._reader.rows("SELECT kept FROM motet.calls WHERE idempotency = %s", key)
        return _call.decode(rows[0][0]) if rows else None

    def apps(self) -> list[KeptApp]:
        """See `Journal`."""
        return [_app.decode(kept) for (kept,) in self._reader.rows("SELECT kept FROM motet.apps ORDER BY number")]

    def check(self) -> list[str]:
        """See `Journal`."""
        with self._reading_all() as session:
            return [str(text) for (text,) in session.execute(_WRONG)]

    def close(self) -> None:
        """See `Journal`."""
        self._reader.close()

    def _find(self, call_id: str) -> tuple[int, bytes]:
        rows = self._reader.rows("SELECT key, kept FROM motet.calls WHERE call_id = %s", call_id)
        if not rows:
            raise NotFoundError(f"no spawned call {call_id} is kept on this server (any more)")
        key, kept = rows[0]
        return key, kept

    def _count(self, key: int) -> int:
        return int(self._reader.rows(_COUNT, key, key)[0][0])
