"""One connection to a PostgreSQL database, made again when it was lost; what is written over it is fenced by a term."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
from psycopg.errors import DataError, IntegrityError, ProgramLimitExceeded

from motet.errors import InvalidError, ServiceError
from motet.store.journal import JournalFenced, JournalUnclear
from motet.store.lease import Term
from motet.store.postgres_address import PostgresAddress

FENCED = "MT001"
"""The SQLSTATE of a write by a term that is over."""

VANISHED = ("42P01", "42883", "3F000")
"""SQLSTATEs: there is no such table, function or schema."""

RETRY_AFTER = 1.0
"""Seconds after which to come again with what could not be kept."""

_OFF = ("jit",)
"""Settings: statements are short, and compiling one took longer (50 ms) than carrying it out (2 ms)."""

_READING_ALL = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")
"""Settings: ways to answer a question that read a table as a whole."""

_UNDECIDED = 5.0
"""Seconds for which it is asked what became of a transaction that another session may still be about to end."""


class PostgresConnection:
    """Thread-safe: one at a time uses it. Nothing is connected before it is needed. With a `term`, it alone can write, and as
    long as no later one was given. `by_index`: what is asked for is found by an index, however old the database's statistics
    are: where they say that a table is small, it would be read as a whole, and everybody waits.

    All methods raise `ServiceError` if the database is away or refuses, and `InvalidError` for a value that it cannot hold:
    then nothing has changed.
    """

    def __init__(
        self, address: PostgresAddress, term: Term | None = None, *, name: str = "motet", by_index: bool = False
    ) -> None:
        self.address = address
        self._term = term
        self._name = name
        self._off = [*_OFF, *(_READING_ALL if by_index else ())]
        self._lock = threading.Lock()
        self._open: psycopg.Connection[Any] | None = None
        self._socket: socket.socket | None = None
        """Of that connection: a descriptor of our own, so that it is no other's, whatever libpq does with its own."""
        self._is_closed = False
        with _lock:
            _made.add(self)

    @contextlib.contextmanager
    def writing(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction: all of it is kept when the block ends, or none. Raises `JournalFenced` before the block."""
        with self._lock, self._explained("write to"):
            connection, transaction = self._begin()
            try:
                yield connection
            except BaseException:
                self._give_up(connection)
                raise
            try:
                connection.execute("COMMIT")
            except psycopg.OperationalError as error:
                if not connection.broken:
                    self._give_up(connection)
                    raise
                self._drop()
                if not self._was_kept(transaction, error):
                    raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[psycopg.Connection[Any]]:
        """For questions, each of which sees what was kept by then."""
        with self._lock, self._explained("read"):
            connection = self._alive()
            try:
                yield connection
            except psycopg.Error:
                if connection.broken:
                    self._drop()
                raise

    def rows(self, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """What a question is answered with. It is asked again if the connection turns out to be lost."""
        with self._lock, self._explained("read"):
            try:
                return self._alive().execute(statement, values).fetchall()
            except psycopg.OperationalError:
                if self._open is None or not self._open.broken:
                    raise
                return self._alive().execute(statement, values).fetchall()

    def check_open(self) -> None:
        """Raises `ServiceError` once it is closed."""
        if self._is_closed:
            raise ServiceError(f"{self.address} is closed here: the server is ending")

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._is_closed = True
            self._drop()

    def cut(self) -> None:
        """Whoever waits for the database over this connection is told that it is lost. On any thread, and without a wait."""
        sock = self._socket
        if sock is not None:
            with contextlib.suppress(OSError):  # it is closed just now
                sock.shutdown(socket.SHUT_RDWR)

    # --- the connection -----------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[psycopg.Connection[Any], str]:
        """A transaction of the term, and its number."""
        if self._term is not None and self._term.why:
            raise JournalFenced(self._term.why)
        for is_last in (False, True):
            connection = self._alive()
            try:
                with one_way(connection):
                    connection.execute("BEGIN")
                    if self._term is None:
                        asked = connection.execute("SELECT pg_current_xact_id()::text")
                    else:
                        asked = connection.execute("SELECT motet.fence(%s)", (self._term.number,))
                row = asked.fetchone()
            except psycopg.OperationalError:
                # It may have ended long ago, while nobody used it.
                if not connection.broken:
                    self._give_up(connection)
                    raise
                self._drop()
                if is_last:
                    raise
            except psycopg.Error as error:
                self._give_up(connection)
                if error.sqlstate == FENCED:
                    raise self._over(connection) from error
                raise
            else:
                assert row is not None
                return connection, row[0]
        raise AssertionError("the last attempt returns or raises")

    def _over(self, connection: psycopg.Connection[Any]) -> JournalFenced:
        assert self._term is not None
        found = connection.execute("SELECT term, holder FROM motet.lease").fetchone()
        now, holder = found or (0, "")
        self._term.end(term_over(self.address, self._term, holder, now))
        return JournalFenced(self._term.why)

    def _alive(self) -> psycopg.Connection[Any]:
        """The connection; a new one, if there is none or it is known to be lost."""
        self.check_open()
        if self._open is not None and not self._open.broken:
            return self._open
        self._drop()
        parameters: dict[str, Any] = {"application_name": self._name, **self.address.parameters}
        connection = psycopg.connect(**parameters, autocommit=True)
        try:
            # What is answered for is on the database's disk, whatever is usual there.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off' "
                "UNION ALL SELECT set_config(name, 'off', false) FROM unnest(%s::text[]) AS name",
                (self._off,),
            )
        except BaseException:
            connection.close()
            raise
        self._open, self._socket = connection, socket.socket(fileno=os.dup(connection.fileno()))
        return connection

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _give_up(self, connection: psycopg.Connection[Any]) -> None:
        """End the transaction without a trace."""
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self._drop()

    def _was_kept(self, transaction: str, error: psycopg.Error) -> bool:
        """Whether a transaction was kept whose connection was lost while it was being kept."""
        deadline = time.monotonic() + _UNDECIDED
        try:
            while True:
                row = self._alive().execute("SELECT pg_xact_status(%s::text::xid8)", (transaction,)).fetchone()
                if row is not None and row[0] != "in progress":
                    return bool(row[0] == "committed")
                if time.monotonic() > deadline:
                    break
                self._alive().execute("SELECT pg_sleep(0.05)")
        except psycopg.Error as lost:
            self._drop()
            error = lost
        raise JournalUnclear(
            f"{self.address} went away while it was to keep something, and it is not known whether it has: {_said(error)}. "
            "See what there is before it is asked for again"
        ) from error

    @contextlib.contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise  # the value is at fault, not the database
        except (DataError, ProgramLimitExceeded) as error:  # so it is here: others need not be refused for it
            raise InvalidError(f"{self.address} cannot hold this: {_said(error)}") from error
        except psycopg.Error as error:
            raise explained(self.address, verb, error) from error


@contextlib.contextmanager
def one_way(session: psycopg.Connection[Any]) -> Iterator[None]:
    """Statements are sent together, and answered at the end of the block. If the block fails, its error alone is told: psycopg
    by itself would log that the end of the pipeline has failed as well."""
    end = contextlib.ExitStack()
    end.enter_context(session.pipeline())
    try:
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            end.close()
        raise
    end.close()


_lock = threading.Lock()
_made: weakref.WeakSet[PostgresConnection] = weakref.WeakSet()


def cut_connections(address: PostgresAddress) -> None:
    """All that were made with this very address."""
    with _lock:
        made = list(_made)
    for each in made:
        if each.address is address:
            each.cut()


def term_over(address: PostgresAddress, term: Term, holder: str, later: int) -> str:
    """Why a server cannot keep anything any more, in words."""
    return (
        f"this server does not lead any more: its term {term.number} is over, and {holder or 'nobody'} has term {later} of "
        f"{address}"
    )


def explained(address: PostgresAddress, verb: str, error: psycopg.Error) -> ServiceError:
    """What a database has refused, and what can be done."""
    code = error.sqlstate or ""
    match code[:2]:
        case "" | "08" | "57":
            return ServiceError(
                f"cannot {verb} {address}: {_said(error)}. Nothing has changed; what runs goes on. Try again after "
                f"{RETRY_AFTER:g} s, when it may be back"
            )
        case "28" | "3D":
            advice = "Say another user, password or database in MOTET_STORE, or have this one made"
        case "25":
            advice = "It takes no writes, as a standby does: name the primary in MOTET_STORE"
        case "53":
            advice = "It lacks disk, memory or connections: give it more, then ask again"
        case "42" | "3F" if code in VANISHED:
            advice = "Part of the schema motet has vanished: end all servers, and restore it from a backup"
        case "42":
            advice = "The user of the server must own the schema motet, and no other program is to change it"
        case _:
            advice = "See the log of the database"
    return ServiceError(f"cannot {verb} {address}: {_said(error)}. Nothing has changed; what runs goes on. {advice}")


def _said(error: psycopg.Error) -> str:
    """On one line."""
    text = error.diag.message_primary or str(error)
    return " ".join(text.split()).rstrip(".")
