"""Blobs of a journal in PostgreSQL: which area they have, and that they are looked through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.store.blob_area import area_of_database
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import BlobName, digest_of
from motet.store.blobs_opened import blobs_elsewhere
from motet.store.journal import CallMade, InputsAdded, InputsEnded
from motet.store.lease import Term
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_check import check_database
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_journal import PostgresJournal
from motet.store.postgres_lease import PostgresLease
from motet.store.postgres_schema import check
from tests.postgres import PostgresDatabase
from tests.store.test_home_backup import call

BIG = b"arguments"


@contextlib.contextmanager
def leading(postgres: PostgresDatabase) -> Iterator[tuple[PostgresJournal, str]]:
    """The journal of a server while it leads, and the area of its blobs."""
    address = PostgresAddress(postgres.address)
    with contextlib.closing(PostgresConnection(address)) as connection:
        check(connection)
        area = area_of_database(connection)
    postgres.execute("UPDATE motet.lease SET expires_at = 'epoch'")
    with contextlib.closing(PostgresLease(address, "a test")) as lease:
        term = lease.take(lambda why: None)
        assert isinstance(term, Term)
        with contextlib.closing(PostgresJournal(address, term)) as journal:
            yield journal, area


def test_servers_that_lead_in_turn_have_one_area_and_what_is_missing_is_named(
    postgres: PostgresDatabase, tmp_path: Path
) -> None:
    shared, areas = str(tmp_path / "shared"), []
    for number in (1, 2):
        with leading(postgres) as (journal, area):
            areas.append(area)
            name = BlobName(area, "fc-1", journal.term, 1, "a", number, digest_of(BIG))
            stored = BlobPlaces(None, blobs_elsewhere(shared), area).put(name, BIG)
            journal.keep([CallMade(call("fc-1")), InputsAdded("fc-1", [NewInput(number, stored)], 101.0)])
            assert check_database(postgres.address, shared) == {"spawned calls": [], "blobs": []}
    assert areas[0] == areas[1]
    (lost,) = [path for path in (tmp_path / "shared").rglob("*") if ".a.1." in path.name]
    lost.unlink()
    (found,) = check_database(postgres.address, shared)["blobs"]
    assert "the blob with the arguments of input 1 of fc-1 is gone" in found
    assert all("set MOTET_BLOBS to where it was" in each for each in check_database(postgres.address, "")["blobs"])


def test_a_copy_of_a_database_has_an_area_of_its_own(postgres: PostgresDatabase) -> None:
    """As what a dump is restored to: it never deletes what the original needs."""
    with leading(postgres) as (_, area):
        pass
    copy = f"{postgres.name}_copy"
    postgres.server.execute(f"CREATE DATABASE {copy} TEMPLATE {postgres.name}")
    try:
        with contextlib.closing(PostgresConnection(PostgresAddress(postgres.server.address(copy)))) as connection:
            assert area_of_database(connection) != area
    finally:
        postgres.server.drop(copy)


def test_large_payloads_that_stay_rows_are_no_blobs(postgres: PostgresDatabase) -> None:
    with leading(postgres) as (journal, _):
        inputs = InputsAdded("fc-1", [NewInput(0, bytes(300_000))], 101.0)
        journal.keep([CallMade(call("fc-1")), inputs])
        journal.keep([InputsEnded("fc-1", [InputEnd(0, OutcomeKind.SUCCESS, bytes(300_000))], 102.0)])
        assert check_database(postgres.address, "") == {"spawned calls": [], "blobs": []}
