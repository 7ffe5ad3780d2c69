"""The journal in PostgreSQL: the contract of all journals, and what a database does on its own account."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from motet.errors import AlreadyExistsError, InvalidError, NotFoundError, ServiceError
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.store.journal import CallMade, CallsForgotten, InputsAdded, InputsEnded, InputTried, Journal
from motet.store.lease import Term
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_journal import PostgresJournal
from motet.store.postgres_lease import PostgresLease
from motet.store.postgres_schema import check
from tests.postgres import PostgresDatabase
from tests.store.test_journal import *  # noqa: F403  (the contract)
from tests.store.test_journal import Open, added, call, ended, unfinished


@pytest.fixture
def reopen(postgres: PostgresDatabase) -> Iterator[Open]:
    """Each opening leads from then on, whoever did before."""
    address = PostgresAddress(postgres.address)
    making = PostgresConnection(address)
    check(making)
    making.close()
    opened: list[PostgresJournal] = []
    lease = PostgresLease(address, "a test")

    def open_again() -> Journal:
        postgres.execute("UPDATE motet.lease SET expires_at = 'epoch'")
        term = lease.take(lambda why: None)
        assert isinstance(term, Term)
        opened.append(PostgresJournal(address, term))
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()
    lease.close()


def test_what_a_large_call_costs_does_not_grow_with_what_it_has(journal: Journal, postgres: PostgresDatabase) -> None:
    """The database chooses its plans while its tables are small: one that looks through a whole call for each input is then as
    cheap as any other."""
    parts = [range(first, first + 50) for first in range(0, 2000, 50)]
    journal.keep([CallMade(call(1))])
    for part in parts:
        journal.keep([added(1, *part)])
        journal.keep([InputTried("fc-1", index, 1) for index in part])
        assert len(journal.payloads([("fc-1", index) for index in part])) == len(part)
        if part[0] % 200:
            journal.keep([ended(1, *part)])
    assert isinstance(journal, PostgresJournal)
    read = 0
    for connection in (journal._writer, journal._reader):
        connection.rows("SELECT pg_stat_force_next_flush()")
        ((read,),) = connection.rows("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname <> 'calls'")
    assert 3 * 2000 <= read < 6 * 2000


def test_a_large_batch_is_kept_with_few_statements(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    execute = psycopg.Connection.execute

    def counted(session, statement, *values, **options):  # type: ignore[no-untyped-def]
        statements.append(statement)
        return execute(session, statement, *values, **options)

    journal.keep([CallMade(call(0))])  # so that it is connected
    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    journal.keep([each for number in range(1, 501) for each in (CallMade(call(number)), added(number, 0, 1))])
    journal.keep([ended(number, 0, 1) for number in range(1, 501)])
    assert len(statements) == 5 + 4
    assert unfinished(journal) == {}
    assert journal.call("fc-500") == (call(500), 2)


def test_what_seems_new_and_is_there_is_kept_as_if_it_were_known(journal: Journal, reopen: Open) -> None:
    journal.keep([CallMade(call(1)), added(1, 0, 1), CallMade(call(2, b"key")), ended(1, 0)])
    later = reopen()  # it knows nothing of these
    later.keep([CallMade(call(3)), added(3, 0), CallMade(call(1)), added(1, 0, 1, 2)])
    assert unfinished(later) == {"fc-1": [1, 2], "fc-3": [0]}
    for refused in (call(4, b"key"), msgspec.structs.replace(call(1), principal=8)):
        with pytest.raises(AlreadyExistsError):
            later.keep([CallMade(call(5)), added(5, 0), CallMade(refused), added(4, 0)])
    later.keep([CallMade(call(5)), added(5, 0), CallMade(call(5)), added(5, 0, 1), added(6, 0)])
    assert unfinished(later) == {"fc-1": [1, 2], "fc-3": [0], "fc-5": [0, 1]}
    assert later.check() == []


def test_calls_get_keys_that_no_other_call_has(journal: Journal, reopen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what is taken together, beside those that the database gives, and in a later term."""
    monkeypatch.setattr("motet.store.postgres_fresh_calls.AT_ONCE", 3)
    kept = []
    for number, size in enumerate((2, 2, 5, 1)):
        if number == 2:
            journal = reopen()
        new = range(10 * number, 10 * number + size)
        journal.keep([each for it in (*new, *new) for each in (CallMade(call(it)), added(it, 0))])
        kept += [f"fc-{it}" for it in new]
        journal.keep([CallMade(call(it)) for it in new])  # known by now
        journal.keep([ended(new[0], 0)])
    assert sorted(unfinished(journal)) == sorted(each for each in kept if not each.endswith("0"))
    assert [journal.call(each)[1] for each in kept] == [1] * len(kept)


def test_large_payloads_are_kept_with_several_statements_and_all_or_none(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motet.store.postgres_journal.MOST_BYTES", 10)
    journal.keep([CallMade(call(1)), added(1, *range(9)), ended(1, 0, 1, 2, payload=b"123456"), ended(1, 3, 3)])
    assert unfinished(journal) == {"fc-1": [4, 5, 6, 7, 8]}
    with pytest.raises(InvalidError):
        journal.keep([ended(1, 4, 5, 6, payload=b"123456"), ended(1, 2**40)])
    assert unfinished(journal) == {"fc-1": [4, 5, 6, 7, 8]}


@pytest.mark.parametrize(("call_id", "index"), [("fc-\0", 0), ("fc-1", 2**40)])
def test_what_a_database_cannot_hold_is_the_fault_of_whoever_sent_it(
    journal: Journal, call_id: str, index: int
) -> None:
    """And not of the database: others would be refused with it."""
    new = msgspec.structs.replace(call(1), call_id=call_id)
    with pytest.raises(InvalidError, match="cannot hold this"):
        journal.keep([CallMade(new), InputsAdded(call_id, [NewInput(index, b"")], 1.0)])
    journal.keep([CallMade(call(2)), added(2, 0)])
    assert unfinished(journal) == {"fc-2": [0]}


def test_a_question_about_what_a_database_cannot_hold_is_refused(journal: Journal) -> None:
    with pytest.raises(InvalidError, match="cannot hold this"):
        journal.call("fc-\0")


def test_a_database_that_comes_back_is_used_again_and_nothing_was_half_kept(
    journal: Journal, postgres: PostgresDatabase
) -> None:
    journal.keep([CallMade(call(1)), added(1, 0)])
    postgres.server.stop()
    try:
        with pytest.raises(ServiceError, match="Nothing has changed"):
            journal.keep([CallMade(call(2)), added(2, 0)])
        with pytest.raises(ServiceError, match="cannot read"):
            journal.call("fc-1")
    finally:
        postgres.server.start()
    assert unfinished(journal) == {"fc-1": [0]}
    journal.keep([CallMade(call(2)), added(2, 0)])
    assert unfinished(journal) == {"fc-1": [0], "fc-2": [0]}


def test_a_call_with_very_many_outcomes_expires_in_steps(journal: Journal) -> None:
    journal.keep([CallMade(call(1)), added(1, *range(25)), ended(1, *range(25))])
    steps = []
    while count := journal.expire(1e9, 10):
        steps.append(count)
    # Looked at; 25 looked at; gone; nothing is left.
    assert steps == [1, 1, 10, 10, 5]
    assert journal.check() == []


def test_a_large_call_stays_while_its_last_outcome_is_young_or_an_input_waits(journal: Journal) -> None:
    journal.keep([CallMade(call(1)), added(1, *range(150)), ended(1, *range(149)), ended(1, 149, at=1e9)])
    journal.keep([CallMade(call(2)), added(2, *range(31)), ended(2, *range(30))])
    journal.keep([CallMade(call(3)), added(3, 0), ended(3, 0)])
    while journal.expire(1e8, 10):
        pass
    assert (journal.call("fc-1")[1], journal.call("fc-2")[1]) == (150, 31)
    with pytest.raises(NotFoundError):
        journal.call("fc-3")


def test_what_stays_is_looked_at_in_steps_and_keeps_nothing_from_going(journal: Journal) -> None:
    for number in range(1, 100):
        journal.keep([CallMade(call(number)), added(number, 0)])
    journal.keep([ended(each, 0) for each in (7, 98, 99)])
    steps = []
    while count := journal.expire(1e9, 10):
        steps.append(count)
    assert steps == [1, *[10] * 8, 2]
    assert len(unfinished(journal)) == 96
    journal.keep([ended(1, 0)])
    assert journal.expire(1e9, 10) == 1


def test_what_does_not_fit_together_is_found(journal: Journal, postgres: PostgresDatabase) -> None:
    journal.keep([CallMade(call(1)), added(1, 0, 1), ended(1, 0)])
    postgres.execute(
        "INSERT INTO motet.inputs(call, place, submitted_at, payload) SELECT call, 0, 1, '' FROM motet.inputs"
    )
    postgres.execute("INSERT INTO motet.outcomes VALUES(99, 0, 0, 1, '')")
    assert sorted(journal.check()) == [
        "fc-1 input 0 has an outcome, and waits for one",
        "outcomes are left of call 99, which is gone",
    ]


def test_payloads_are_kept_byte_by_byte(journal: Journal) -> None:
    payloads = [b"", b"\x00", b"\\x41", b"{}", bytes(range(256))]
    inputs = [NewInput(index, payload) for index, payload in enumerate(payloads)]
    journal.keep([CallMade(call(1, b"\x00key\xff")), InputsAdded("fc-1", inputs, 1.0)])
    assert journal.payloads([("fc-1", index) for index in range(len(payloads))]) == payloads
    ends = [InputEnd(index, OutcomeKind.SUCCESS, payload) for index, payload in enumerate(payloads)]
    journal.keep([InputsEnded("fc-1", ends, 2.0)])
    assert journal.outcomes("fc-1", 0, 100) == ends
    assert journal.by_key(b"\x00key\xff") is not None


def test_bytes_of_calls_that_were_erased_are_in_no_table_once_these_are_written_anew(
    journal: Journal, postgres: PostgresDatabase
) -> None:
    for number, size in ((1, 3), (2, 3), (3, 2000), (4, 2000)):
        new = [NewInput(index, b"argument%d" % number * size) for index in (0, 1)]
        journal.keep([CallMade(call(number)), InputsAdded(f"fc-{number}", new, 1.0)])
        journal.keep(
            [InputsEnded(f"fc-{number}", [InputEnd(0, OutcomeKind.SUCCESS, b"result%d" % number * size)], 2.0)]
        )
    journal.keep([CallsForgotten(["fc-1", "fc-3"])])
    postgres.execute("VACUUM FULL motet.inputs")
    postgres.execute("VACUUM FULL motet.outcomes")
    postgres.execute("VACUUM FULL motet.calls")
    postgres.execute("CHECKPOINT")
    (written,) = {
        b"".join(path.read_bytes() for path in (postgres.server.data / "base" / str(number)).iterdir())
        for ((number,),) in [postgres.execute("SELECT oid FROM pg_database WHERE datname = current_database()")]
    }
    for number in (1, 2, 3, 4):
        for what in (b"argument%d", b"result%d"):
            assert (what % number in written) == (number in (2, 4)), what % number
