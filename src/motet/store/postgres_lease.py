"""The lease of the one server that leads: a row, whose moments are the database's, and whose number is the term."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from motet.store.postgres_connection import PostgresConnection, Term, TermOver

LEASE = 2.0
"""Seconds for which a server leads that says nothing more."""

_FREED = "motet_lease"
"""What is notified of when a server lets its lease go."""

_END_SESSIONS = 500
"""Milliseconds within which sessions of the server before are to end."""


class Leader(NamedTuple):
    """Who has the lease; `left`: seconds that are left of it, as long as it is not renewed."""

    holder: str
    term: int
    left: float


class PostgresLease:
    """On a connection of its own, which is not fenced. All methods raise `ServiceError`.

    `holder` says who asks, to people: which server, on which machine.
    """

    def __init__(self, connection: PostgresConnection, holder: str) -> None:
        self._connection = connection
        self._holder = holder

    def take(self, on_over: Callable[[str], None]) -> Term | Leader:
        """Lead with a new term; or who does, if somebody does. What a server before this one has not yet kept is never kept."""
        leader = self._leader()
        if leader.left > 0:
            return leader
        with self._connection.writing() as session:
            # One that hangs in a transaction would have the next term wait for it.
            session.execute(
                "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE application_name = %s AND datname = "
                "current_database() AND usename = current_user AND pid <> pg_backend_pid()",
                (_END_SESSIONS, application_name(leader.term)),
            )
            session.execute("SET LOCAL lock_timeout = '1s'")
            row = session.execute(
                "UPDATE motet.lease SET term = term + 1, holder = %s, expires_at = clock_timestamp() + %s * interval '1 s' "
                "WHERE term = %s AND expires_at <= clock_timestamp() RETURNING term",
                (self._holder, LEASE, leader.term),
            ).fetchone()
        return self._leader() if row is None else Term(row[0], on_over)

    def renew(self, term: Term) -> None:
        """Lead for `LEASE` seconds from now. Raises `TermOver`: another server leads."""
        with self._connection.writing() as session:
            row = session.execute(
                "UPDATE motet.lease SET expires_at = clock_timestamp() + %s * interval '1 s' WHERE term = %s RETURNING term",
                (LEASE, term.number),
            ).fetchone()
        if row is None:
            leader = self._leader()
            term.end(
                f"this server does not lead any more: its term {term.number} is over, and {leader.holder} has term "
                f"{leader.term} of {self._connection.address}"
            )
            raise TermOver(term.why)

    def release(self, term: Term) -> None:
        """Lead no more: who waits may have it. It cannot be written in this term any more."""
        with self._connection.writing() as session:
            session.execute(
                "UPDATE motet.lease SET term = term + 1, holder = '', expires_at = 'epoch' WHERE term = %s",
                (term.number,),
            )
            session.execute("SELECT pg_notify(%s, '')", (_FREED,))

    def wait_freed(self, timeout: float) -> None:
        """Until the lease is let go of, or for so long; it may be free without that, and somebody else may have it."""
        with self._connection.reading() as session:
            for _ in session.notifies(timeout=timeout, stop_after=1):
                pass

    def _leader(self) -> Leader:
        with self._connection.reading() as session:
            session.execute("LISTEN motet_lease")  # first: what is let go of from here on is not missed
            row = session.execute(
                "SELECT holder, term, GREATEST(EXTRACT(EPOCH FROM expires_at - clock_timestamp()), 0)::float8 FROM motet.lease"
            ).fetchone()
        assert row is not None
        holder, term, left = row
        return Leader(holder, term, left)


def application_name(term: int) -> str:
    """How sessions of a server with this term call themselves to the database."""
    return f"motet term {term}"
