"""A connection to PostgreSQL: what is kept is known to be, whatever the database does; who does not lead writes nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from motet.errors import InvalidError, ServiceError
from motet.store.journal import JournalFenced
from motet.store.lease import Leader, Term
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_identity import DATABASE_ID, check_identity, note_identity
from motet.store.postgres_lease import PostgresLease, session_name
from motet.store.postgres_migrations import NEWEST
from motet.store.postgres_schema import check, migrate
from tests.postgres import PATIENCE, PostgresDatabase

LONG = 3600.0

Connect = Callable[..., PostgresConnection]


@pytest.fixture
def connect(postgres: PostgresDatabase) -> Iterator[Connect]:
    """New connections, which are closed at the end: with a term, or without one."""
    with contextlib.ExitStack() as open_ones:

        def one(term: Term | None = None, address: str = postgres.address) -> PostgresConnection:
            name = "motet" if term is None else session_name(term.number)
            connection = PostgresConnection(PostgresAddress(address), term, name=name)
            return open_ones.enter_context(contextlib.closing(connection))

        yield one


@pytest.fixture
def notes(postgres: PostgresDatabase) -> Callable[[], list[str]]:
    """A table for tests to write to, beside Motet's schema: what is in it."""
    check_once(postgres)
    postgres.execute("CREATE TABLE notes(text text)")
    return lambda: [str(text) for (text,) in postgres.execute("SELECT text FROM notes ORDER BY text")]


def check_once(postgres: PostgresDatabase) -> None:
    with contextlib.closing(PostgresConnection(PostgresAddress(postgres.address))) as connection:
        check(connection)


def note(connection: PostgresConnection, text: str) -> None:
    note_and(connection, text, lambda session: None)


def note_and(connection: PostgresConnection, text: str, act: Callable[[Any], object]) -> None:
    """Something happens within the transaction."""
    with connection.writing() as session:
        session.execute("INSERT INTO notes VALUES(%s)", (text,))
        act(session)


# --- addresses --------------------------------------------------------------------------------------------------------


def test_an_address_is_told_without_its_password() -> None:
    address = PostgresAddress("postgresql://motet:hunter2@db.example:5433/prod")
    assert str(address) == "the PostgreSQL database prod on db.example:5433"
    assert "hunter2" not in repr(address)
    assert address.parameters["password"] == "hunter2"


@pytest.mark.parametrize(
    "url", ["mysql://a:hunter2@b/c", "postgresql://motet:hunter2@[/x", "postgresql://h/db?hunter2=1"]
)
def test_an_address_that_makes_no_sense_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidError, match="postgresql://") as caught:
        PostgresAddress(url)
    assert "hunter2" not in str(caught.value)


# --- databases that cannot be used --------------------------------------------------------------------------------------


def test_a_database_that_is_away_is_said_and_when_to_come_again(connect: Connect) -> None:
    away = connect(address="postgresql://motet@/motet?host=/nowhere")
    with pytest.raises(ServiceError, match=r"cannot read the PostgreSQL database motet on /nowhere: .*after 1 s"):
        check(away)


def test_one_that_does_not_exist_is_said(connect: Connect, postgres: PostgresDatabase) -> None:
    with pytest.raises(ServiceError, match=r'database "none" does not exist'):
        check(connect(address=postgres.server.address("none")))


def test_one_that_takes_no_writes_is_said(connect: Connect, postgres: PostgresDatabase) -> None:
    postgres.execute(f"ALTER DATABASE {postgres.name} SET default_transaction_read_only = on")
    with pytest.raises(ServiceError, match=r"takes no writes, as a standby does: name the primary in MOTET_STORE"):
        check(connect())


def test_one_in_another_encoding_is_said(connect: Connect, postgres: PostgresDatabase) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(ServiceError, match=r"has the encoding LATIN1: make one WITH ENCODING 'UTF8'"):
            check(connect(address=postgres.server.address("latin")))
    finally:
        postgres.server.drop("latin")


def test_one_of_an_old_release_of_postgresql_is_said(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.store.postgres_schema.OLDEST_SERVER", 990000)
    with pytest.raises(ServiceError, match=r"is of PostgreSQL \d+.*: Motet needs 99, or a later one"):
        check(connect())


def test_one_of_a_newer_motet_is_said_and_left_as_it_is(connect: Connect, postgres: PostgresDatabase) -> None:
    check(connect())
    postgres.execute("INSERT INTO motet.migrations VALUES(99, '9.0', now())")
    before = postgres.execute("SELECT * FROM motet.migrations")
    for attempt in (check, migrate):
        with pytest.raises(
            ServiceError, match=rf"newer Motet \(layout 99, this one knows {NEWEST}\), and is left as it is"
        ):
            attempt(connect())
    assert postgres.execute("SELECT * FROM motet.migrations") == before


# --- the schema -------------------------------------------------------------------------------------------------------


def test_many_may_make_the_schema_at_once(connect: Connect, postgres: PostgresDatabase) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(check, [connect() for _ in range(4)]))
    assert postgres.execute("SELECT number FROM motet.migrations") == [(number + 1,) for number in range(NEWEST)]


def test_who_does_not_lead_leaves_an_older_layout_as_it_is(
    connect: Connect, postgres: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(connect())
    steps = tuple("SELECT" for _ in range(NEWEST))
    monkeypatch.setattr("motet.store.postgres_schema.MIGRATIONS", (*steps, "CREATE TABLE motet.later(a int)"))
    monkeypatch.setattr("motet.store.postgres_schema.NEWEST", NEWEST + 1)
    check(connect())
    assert postgres.execute("SELECT to_regclass('motet.later')::text") == [(None,)]
    migrate(connect())
    migrate(connect())
    assert postgres.execute("SELECT count(*) FROM motet.later") == [(0,)]
    assert postgres.execute("SELECT max(number) FROM motet.migrations") == [(NEWEST + 1,)]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("DROP TABLE motet.outcomes, motet.tokens", r"has lost tables of Motet's \(tokens, outcomes\)"),
        ("DROP TABLE motet.migrations", r"has lost tables of Motet's \(migrations\)"),
        ("DROP SCHEMA motet CASCADE", "has no schema motet any more, which this home has used"),
        ("UPDATE motet.migrations SET at = at + interval '1 s'", "has another schema motet than this home has used"),
    ],
    ids=["tables", "the note of them", "all", "another schema"],
)
def test_what_has_vanished_is_told_and_not_made_anew(
    connect: Connect, postgres: PostgresDatabase, tmp_path: Path, gone: str, said: str
) -> None:
    def start() -> None:
        check_identity(tmp_path, connect())
        check(connect())
        note_identity(tmp_path, connect())

    start()
    start()
    (other := tmp_path / "other").mkdir()
    (other / DATABASE_ID).write_text("another database\n1\n")
    check_identity(other, connect())  # it was told to use another one
    postgres.execute(gone)
    before = postgres.execute("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('motet')")
    with pytest.raises(ServiceError, match=said):
        start()
    assert postgres.execute("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('motet')") == before


def test_who_writes_to_what_has_vanished_is_told_so(connect: Connect, postgres: PostgresDatabase) -> None:
    check(connect())
    postgres.execute("DROP SCHEMA motet CASCADE")
    with pytest.raises(ServiceError, match="Part of the schema motet has vanished"), connect(Term(0)).writing():
        pass


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_fails_is_not_kept_and_neither_is_what_was_written_with_it(
    connect: Connect, notes: Callable[[], list[str]]
) -> None:
    connection = connect()
    with pytest.raises(ServiceError, match="syntax error"):
        note_and(connection, "a", lambda session: session.execute("no SQL"))
    note(connection, "b")
    assert notes() == ["b"]


def test_a_session_that_was_ended_is_begun_again(
    connect: Connect, notes: Callable[[], list[str]], postgres: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged: psycopg would say that a pipeline has ended because the connection is lost."""
    connection = connect()
    for text in ("a", "b"):
        note(connection, text)
        end_sessions(postgres)
    assert connection.rows("SELECT count(*) FROM notes") == [(2,)]
    assert caplog.messages == []


def end_sessions(postgres: PostgresDatabase) -> None:
    postgres.execute(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name LIKE 'motet%' AND "
        "datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_a_session_that_ends_in_a_transaction_has_kept_nothing_and_says_so(
    connect: Connect, notes: Callable[[], list[str]], postgres: PostgresDatabase
) -> None:
    connection = connect()
    with pytest.raises(ServiceError, match=r"cannot write to .*Nothing has changed"):
        note_and(connection, "a", lambda session: end_sessions(postgres))
    note(connection, "b")
    assert notes() == ["b"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_became_of_a_commit_that_was_not_answered_is_found_out(
    connect: Connect, notes: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    connection = connect()
    execute = psycopg.Connection.execute

    def lose(session: Any, statement: str, *values: Any) -> Any:
        if statement != "COMMIT":
            return execute(session, statement, *values)
        if is_kept:
            execute(session, statement)
        session.pgconn.finish()
        raise psycopg.OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", lose)
        if is_kept:
            note(connection, "a")
        else:
            with pytest.raises(ServiceError, match=r"the connection is lost\. Nothing has changed"):
                note(connection, "a")
    assert notes() == (["a"] if is_kept else [])


def test_a_database_that_comes_back_is_used_again(
    connect: Connect, notes: Callable[[], list[str]], postgres: PostgresDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect()
    note(connection, "a")
    postgres.server.stop()
    try:
        with pytest.raises(ServiceError, match=r"Nothing has changed; what runs goes on\. Try again after 1 s"):
            note(connection, "b")
        with pytest.raises(ServiceError, match="cannot read"):
            connection.rows("SELECT 1")
    finally:
        postgres.server.start()
    note(connection, "c")
    assert notes() == ["a", "c"]
    assert caplog.messages == []  # who asked has been told


def test_a_database_that_has_become_read_only_is_said(
    connect: Connect, notes: Callable[[], list[str]], postgres: PostgresDatabase
) -> None:
    connection = connect()
    note(connection, "a")
    postgres.execute(f"ALTER DATABASE {postgres.name} SET default_transaction_read_only = on")
    end_sessions(postgres)
    with pytest.raises(ServiceError, match=r"read-only transaction.*name the primary in MOTET_STORE"):
        note(connection, "b")
    postgres.server.execute(f"ALTER DATABASE {postgres.name} RESET default_transaction_read_only")
    end_sessions(postgres)
    note(connection, "c")
    assert notes() == ["a", "c"]


def test_who_waits_for_a_database_that_does_not_answer_can_be_told_so(
    connect: Connect, postgres: PostgresDatabase
) -> None:
    found: list[BaseException] = []
    connection = connect()

    def wait() -> None:
        try:
            with connection.writing() as session:
                session.execute("SELECT pg_sleep(600)")
        except ServiceError as error:
            found.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
        while not postgres.execute(sleeping):
            pass
        connection.cut()
        waiting.join(PATIENCE)
    finally:
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = "
            "current_database()"
        )
        waiting.join(PATIENCE)
    assert "Nothing has changed" in str(found[0])
    assert connection.rows("SELECT 1") == [(1,)]
    connection.close()
    connection.cut()


def test_what_is_closed_is_not_opened_again(connect: Connect) -> None:
    connection = connect()
    connection.rows("SELECT 1")
    connection.close()
    connection.close()
    with pytest.raises(ServiceError, match="is closed here: the server is ending"):
        connection.rows("SELECT 1")


# --- terms ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lease(
    postgres: PostgresDatabase, notes: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], PostgresLease]]:
    """That of the database, as a server has it; it is closed at the end, and runs out when a test says so, and no sooner."""
    monkeypatch.setattr("motet.store.postgres_lease.LEASE", LONG)
    with contextlib.ExitStack() as leases:
        yield lambda holder: leases.enter_context(
            contextlib.closing(PostgresLease(PostgresAddress(postgres.address), holder))
        )


def taken(lease: PostgresLease, told: list[str] | None = None) -> Term:
    term = lease.take(lambda why: None if told is None else told.append(why))
    assert isinstance(term, Term)
    return term


def expire(postgres: PostgresDatabase) -> None:
    postgres.execute("UPDATE motet.lease SET expires_at = now()")


def test_one_server_leads_and_who_asks_is_told_which(lease: Callable[[str], PostgresLease]) -> None:
    first, second = lease("the first"), lease("the second")
    term = taken(first)
    found = second.take(print)
    assert isinstance(found, Leader)
    assert (found.holder, found.term) == ("the first", term.number)
    assert 0 < found.left <= LONG


def test_who_has_the_next_term_ends_what_the_one_before_was_writing_and_all_it_writes_later(
    lease: Callable[[str], PostgresLease],
    connect: Connect,
    notes: Callable[[], list[str]],
    postgres: PostgresDatabase,
) -> None:
    """The first server hangs within a transaction, wakes up after the second has taken over, and goes on."""
    told: list[str] = []
    term = taken(lease("the first"), told)
    first = connect(term)
    note(first, "a")
    expire(postgres)
    next_terms: list[Term] = []
    with pytest.raises(ServiceError, match="Nothing has changed"):
        note_and(first, "late", lambda session: next_terms.append(taken(lease("the second"))))
    (later,) = next_terms
    assert later.number > term.number
    for _ in range(2):
        with pytest.raises(
            JournalFenced, match=rf"does not lead any more: its term {term.number} is over, and the second has"
        ):
            note(first, "later")
    assert len(told) == 1
    note(connect(later), "b")
    assert notes() == ["a", "b"]


def test_a_lease_that_has_run_out_and_that_nobody_took_is_renewed(
    lease: Callable[[str], PostgresLease], postgres: PostgresDatabase
) -> None:
    first = lease("the first")
    term = taken(first)
    expire(postgres)
    first.renew(term)
    assert isinstance(lease("the second").take(print), Leader)


def test_one_that_was_taken_is_not_renewed(lease: Callable[[str], PostgresLease], postgres: PostgresDatabase) -> None:
    told: list[str] = []
    first = lease("the first")
    term = taken(first, told)
    expire(postgres)
    taken(lease("the second"))
    with pytest.raises(JournalFenced, match="and the second has term"):
        first.renew(term)
    assert len(told) == 1


def test_one_that_is_let_go_of_is_there_for_who_waits(
    lease: Callable[[str], PostgresLease], connect: Connect, notes: Callable[[], list[str]]
) -> None:
    first, second = lease("the first"), lease("the second")
    term = taken(first)
    assert isinstance(second.take(print), Leader)
    first.release(term)
    second.wait_freed(PATIENCE)
    later = taken(second)
    with pytest.raises(JournalFenced):
        note(connect(term), "late")
    note(connect(later), "b")
    assert notes() == ["b"]


def test_of_many_who_ask_at_once_one_leads(lease: Callable[[str], PostgresLease], postgres: PostgresDatabase) -> None:
    asking = [lease(f"number {number}") for number in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            found = list(threads.map(lambda one: one.take(print), asking))
            assert sum(isinstance(it, Term) for it in found) == 1
            expire(postgres)
