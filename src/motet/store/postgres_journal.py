"""The journal of a server that stays, in PostgreSQL: each batch is a transaction, of one statement for each kind of entry."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import psycopg

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
    KeptCall,
)
from motet.store.lease import Term
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_arrays import Array, arrays
from motet.store.postgres_connection import PostgresConnection, one_way
from motet.store.postgres_expiry import PostgresExpiry, forget
from motet.store.postgres_fresh_calls import FreshCalls
from motet.store.postgres_journal_reading import PostgresJournalReading
from motet.store.postgres_lease import session_name

# Calls of which none is there yet, with the keys that they get.
_FRESH_CALLS = """
INSERT INTO motet.calls(key, call_id, made_at, principal, idempotency, kept) OVERRIDING SYSTEM VALUE
    SELECT key, call_id, made_at, principal, NULLIF(idempotency, ''), kept
    FROM unnest(%b::bigint[], %b::text[], %b::float8[], %b::bigint[], %b::bytea[], %b::bytea[])
        AS new(key, call_id, made_at, principal, idempotency, kept)
    ON CONFLICT DO NOTHING
"""
# Their inputs: nothing has to be looked up.
_FRESH_INPUTS = """
INSERT INTO motet.inputs(call, place, submitted_at, payload)
    SELECT * FROM unnest(%b::bigint[], %b::integer[], %b::float8[], %b::bytea[]) ON CONFLICT DO NOTHING
"""
_NEW_CALLS = """
INSERT INTO motet.calls(call_id, made_at, principal, idempotency, kept)
    SELECT call_id, made_at, principal, NULLIF(idempotency, ''), kept
    FROM unnest(%b::text[], %b::float8[], %b::bigint[], %b::bytea[], %b::bytea[])
        WITH ORDINALITY AS new(call_id, made_at, principal, idempotency, kept, place) ORDER BY new.place
    ON CONFLICT DO NOTHING
"""
# One that is not there has a key of another one.
_REFUSED_CALLS = """
SELECT new.call_id, kept.call_id IS NULL, (SELECT call_id FROM motet.calls WHERE idempotency = new.idempotency)
    FROM unnest(%b::text[], %b::bigint[], %b::bytea[]) AS new(call_id, principal, idempotency)
    LEFT JOIN motet.calls AS kept ON kept.call_id = new.call_id
    WHERE kept.call_id IS NULL OR kept.principal <> new.principal LIMIT 1
"""
# One that has ended is found by both columns of its index. NOT EXISTS would leave that to the database's statistics: where
# these are old, it looks through all outcomes of the call for each input.
_NEW_INPUTS = """
INSERT INTO motet.inputs(call, place, submitted_at, payload)
    SELECT calls.key, new.place, new.at, new.payload
    FROM unnest(%b::text[], %b::integer[], %b::float8[], %b::bytea[])
        WITH ORDINALITY AS new(call_id, place, at, payload, number)
    JOIN motet.calls AS calls ON calls.call_id = new.call_id
    LEFT JOIN LATERAL (
        SELECT call FROM motet.outcomes WHERE call = calls.key AND place = new.place LIMIT 1
    ) AS ended ON true
    WHERE ended.call IS NULL ORDER BY new.number ON CONFLICT DO NOTHING
"""
_TRIED = """
UPDATE motet.inputs AS inputs SET attempts = said.attempts, retries = said.retries, lone_losses = said.lone_losses,
        due_at = said.due_at, last_attempt = said.last_attempt
    FROM (
        SELECT DISTINCT ON (calls.key, new.place) calls.key, new.*
        FROM unnest(%b::text[], %b::integer[], %b::bigint[], %b::bigint[], %b::bigint[], %b::float8[], %b::bigint[])
            WITH ORDINALITY AS new(call_id, place, attempts, retries, lone_losses, due_at, last_attempt, number)
        JOIN motet.calls AS calls ON calls.call_id = new.call_id ORDER BY calls.key, new.place, new.number DESC
    ) AS said WHERE inputs.call = said.key AND inputs.place = said.place
"""
# An input that is taken out has an outcome from then on: so each has one.
_NEW_OUTCOMES = """
WITH said AS (
    SELECT DISTINCT ON (calls.key, new.place) calls.key, new.*
    FROM unnest(%b::text[], %b::integer[], %b::smallint[], %b::float8[], %b::bytea[])
        WITH ORDINALITY AS new(call_id, place, kind, at, payload, number)
    JOIN motet.calls AS calls ON calls.call_id = new.call_id ORDER BY calls.key, new.place, new.number
), ended AS (
    DELETE FROM motet.inputs AS inputs USING said WHERE inputs.call = said.key AND inputs.place = said.place
    RETURNING said.key, said.place, said.kind, said.at, said.payload
)
INSERT INTO motet.outcomes(call, place, kind, ended_at, payload) SELECT * FROM ended
"""
_NEW_APPS = """
INSERT INTO motet.apps(app_id, kept) VALUES(%b, %b) ON CONFLICT(app_id) DO UPDATE SET kept = EXCLUDED.kept
"""
_NEW_CALL = ("text", "float8", "bigint", "bytea", "bytea")
_FRESH_INPUT = ("bigint", "integer", "float8", "bytea")
_NEW_INPUT = ("text", "integer", "float8", "bytea")
_TRIED_ROW = ("text", "integer", "bigint", "bigint", "bigint", "float8", "bigint")
_OUTCOME = ("text", "integer", "smallint", "float8", "bytea")
MOST_BYTES = 8 * 1024 * 1024
"""Of payloads in one statement, if it has several. PostgreSQL refuses a message of a gigabyte, and libpq moves all that it has
not sent yet each time that it sends some: twice as much takes four times as long."""

_encode = msgspec.msgpack.Encoder().encode


class _NotFresh(Exception):
    """A call that was taken to be new is there already, or its key."""


class PostgresJournal(PostgresJournalReading):
    """See `Journal`. It belongs to a term: the next one fences it. Batches go over one connection, questions over another."""

    def __init__(self, address: PostgresAddress, term: Term) -> None:
        name = session_name(term.number)
        super().__init__(address, name)
        self._term = term
        self._writer = PostgresConnection(address, term, name=name, by_index=True)
        self._expiry = PostgresExpiry()
        self._fresh = FreshCalls()

    @property
    def term(self) -> int:
        """See `Journal`."""
        return self._term.number

    def keep(self, entries: Sequence[Entry]) -> None:
        """See `Journal`."""
        of: dict[type[Entry], list[Any]] = {kind: [] for kind in Entry.__args__}
        for entry in entries:
            of[type(entry)].append(entry)
        calls: list[KeptCall] = [each.call for each in of[CallMade]]
        one_trip = _size(of[InputsAdded], of[InputsEnded]) <= MOST_BYTES
        fresh = self._fresh.among(calls)
        try:
            self._write(of, calls, fresh, one_trip)
        except _NotFresh:
            self._write(of, calls, frozenset(), one_trip)
        self._fresh.note(calls)

    def _write(
        self, of: dict[type[Entry], list[Any]], calls: list[KeptCall], fresh: Container[str], one_trip: bool
    ) -> None:
        """One transaction. Raises `_NotFresh`, and keeps nothing, if one of the calls in `fresh` is there, or its key."""
        new = {each.call_id: each for each in calls if each.call_id in fresh}
        with self._writer.writing() as session:
            keys = self._fresh.keys(session, new)
            others = [each for each in calls if new.get(each.call_id) is not each]
            with one_way(session) if one_trip else contextlib.nullcontext():
                made = session.execute(_FRESH_CALLS, _fresh_calls(new.values(), keys)) if new else None
                check = _add_calls(session, others) if others else None
                for statement, kinds, rows in (
                    (_FRESH_INPUTS, _FRESH_INPUT, _fresh_input_rows(of[InputsAdded], keys)),
                    (_NEW_INPUTS, _NEW_INPUT, _input_rows(of[InputsAdded], keys)),
                    (_TRIED, _TRIED_ROW, map(_tried_row, of[InputTried])),
                    (_NEW_OUTCOMES, _OUTCOME, _outcome_rows(of[InputsEnded])),
                ):
                    whole = list(rows)
                    for some in [whole] if whole and one_trip else _portions(whole):
                        session.execute(statement, arrays(kinds, some))
                for forgotten in of[CallsForgotten]:
                    forget(session, "SELECT key FROM motet.calls WHERE call_id = ANY(%s)", forgotten.call_ids)
                for kept in of[AppKept]:
                    session.execute(_NEW_APPS, (kept.app.app_id, _encode(kept.app)))
                if of[AppGone]:
                    gone = [each.app_id for each in of[AppGone]]
                    session.execute("DELETE FROM motet.apps WHERE app_id = ANY(%s)", (gone,))
            if made is not None and made.rowcount != len(new):
                raise _NotFresh
            if check is not None and (refused := check.fetchone()) is not None:
                raise _refusal(*refused)

    def expire(self, before: float, most: int = 1000) -> int:
        """See `Journal`."""
        with self._writer.writing() as session:
            # Nobody is answered: what a crash of the database brings back is dropped again.
            session.execute("SET LOCAL synchronous_commit = off")
            return self._expiry.step(session, before, most)

    def close(self) -> None:
        """See `Journal`."""
        self._writer.close()
        super().close()


def _add_calls(session: psycopg.Connection[Any], calls: list[KeptCall]) -> psycopg.Cursor[Any]:
    """In the answer is one that is refused, if one is."""
    session.execute(_NEW_CALLS, arrays(_NEW_CALL, map(_call_row, calls)))
    return session.execute(
        _REFUSED_CALLS, arrays(("text", "bigint", "bytea"), ((it.call_id, it.principal, it.key) for it in calls))
    )


def _refusal(call_id: str, has_others_key: bool, holder: str) -> AlreadyExistsError:
    if has_others_key:
        return AlreadyExistsError(f"{holder} has the key of {call_id} already")
    return AlreadyExistsError(f"{call_id} is another principal's")


def _size(added: list[InputsAdded], ended: list[InputsEnded]) -> int:
    """Bytes of payloads. Statements with few go one way there and back together; of many, each has sent its own before the
    next."""
    size = 0
    # In loops, without a generator for each: most entries have one input.
    for entry in added:
        for new in entry.inputs:
            size += len(new.payload)
    for past in ended:
        for end in past.ended:
            size += len(end.payload)
    return size


def _portions(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """The same in the same order, cut into what a statement takes. Payloads are last in their rows."""
    portion: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        more = len(row[-1]) if isinstance(row[-1], bytes) else 0
        if portion and size + more > MOST_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += more
    if portion:
        yield portion


def _call_row(call: KeptCall) -> tuple[Any, ...]:
    return call.call_id, call.made_at, call.principal, call.key, _encode(call)


def _fresh_calls(calls: Collection[KeptCall], keys: Mapping[str, int]) -> list[Array]:
    return arrays(("bigint", *_NEW_CALL), ((keys[it.call_id], *_call_row(it)) for it in calls))


def _fresh_input_rows(entries: Sequence[InputsAdded], keys: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    return (
        (keys[it.call_id], new.index, it.at, new.payload) for it in entries if it.call_id in keys for new in it.inputs
    )


def _input_rows(entries: Sequence[InputsAdded], keys: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    return (
        (it.call_id, new.index, it.at, new.payload) for it in entries if it.call_id not in keys for new in it.inputs
    )


def _tried_row(it: InputTried) -> tuple[Any, ...]:
    return it.call_id, it.index, it.attempts, it.retries, it.lone_losses, it.due_at, it.last_attempt


def _outcome_rows(entries: Sequence[InputsEnded]) -> Iterator[tuple[Any, ...]]:
    return ((it.call_id, end.index, int(end.kind), it.at, end.payload) for it in entries for end in it.ended)
