"""The lease of the server that leads, in PostgreSQL: a row, whose moments are the database's and whose number is the term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from motet.store.journal import JournalFenced
from motet.store.lease import LEASE, Leader, Term
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection, cut_connections, term_over

_END_SESSIONS = 500
"""Milliseconds within which a session of the server before is to end."""


class PostgresLease:
    """See `Lease`. `holder` says who asks, to people. Each step is one statement, which the database carries out whatever
    becomes of this process: nobody waits for one that is stopped in between."""

    def __init__(self, address: PostgresAddress, holder: str, seconds: float | None = None) -> None:
        self.seconds = LEASE if seconds is None else seconds
        self._connection = PostgresConnection(address)
        self._holder = holder

    def take(self, on_over: Callable[[str], None]) -> Term | Leader:
        """See `Lease`."""
        leader = self._leader()
        if leader.left > 0:
            return leader
        # One that hangs in a transaction would have the next term wait for it.
        self._ask(
            "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE application_name = %s AND datname = "
            "current_database() AND usename = current_user",
            _END_SESSIONS,
            session_name(leader.term),
        )
        rows = self._ask(
            "UPDATE motet.lease SET term = term + 1, holder = %s, expires_at = clock_timestamp() + %s * interval '1 s' "
            "WHERE term = %s AND expires_at <= clock_timestamp() RETURNING term",
            self._holder,
            self.seconds,
            leader.term,
        )
        return Term(rows[0][0], on_over) if rows else self._leader()

    def renew(self, term: Term) -> None:
        """See `Lease`."""
        if self._ask(
            "UPDATE motet.lease SET expires_at = clock_timestamp() + %s * interval '1 s' WHERE term = %s RETURNING term",
            self.seconds,
            term.number,
        ):
            return
        leader = self._leader()
        term.end(term_over(self._connection.address, term, leader.holder, leader.term))
        raise JournalFenced(term.why)

    def release(self, term: Term) -> None:
        """See `Lease`."""
        self._ask(
            "WITH freed AS (UPDATE motet.lease SET term = term + 1, holder = '', expires_at = 'epoch' WHERE term = %s "
            "RETURNING term) SELECT pg_notify('motet_lease', '') FROM freed",
            term.number,
        )

    def wait_freed(self, timeout: float) -> None:
        """See `Lease`."""
        with self._connection.reading() as session:
            for _ in session.notifies(timeout=timeout, stop_after=1):
                pass

    def cut(self) -> None:
        """See `Lease`."""
        cut_connections(self._connection.address)

    def close(self) -> None:
        """See `Lease`."""
        self._connection.close()

    def _leader(self) -> Leader:
        with self._connection.reading() as session:
            session.execute("LISTEN motet_lease")  # first: what is let go of from here on is not missed
            session.execute("SET lock_timeout = '1s'")
            row = session.execute(
                "SELECT holder, term, GREATEST(EXTRACT(EPOCH FROM expires_at - clock_timestamp()), 0)::float8 FROM motet.lease"
            ).fetchone()
        assert row is not None
        holder, term, left = row
        return Leader(holder, term, left)

    def _ask(self, statement: Any, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.rows(statement, *values)


def session_name(term: int) -> str:
    """How sessions of a server with this term call themselves to the database."""
    return f"motet term {term}"
