"""Who shares a PostgreSQL database: each server has a row, which it writes whether it leads or not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from motet.errors import ServiceError
from motet.store.members import LONGEST_SILENCE, ServerMember
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_members import PostgresMembers
from motet.store.postgres_schema import check
from tests.postgres import PostgresDatabase


@pytest.fixture
def members(postgres: PostgresDatabase) -> Iterator[PostgresMembers]:
    with contextlib.closing(PostgresMembers(PostgresAddress(postgres.address))) as members:
        yield members


@pytest.fixture
def made(postgres: PostgresDatabase) -> None:
    with contextlib.closing(PostgresConnection(PostgresAddress(postgres.address))) as connection:
        check(connection)


def member(home: str, term: int = 0) -> ServerMember:
    return ServerMember(home=home, holder=f"process 1 of {home}", motet="1", address=f"tls:{home}:1", term=term)


@pytest.mark.usefixtures("made")
def test_each_home_has_one_row_and_those_that_are_silent_are_not_told(
    members: PostgresMembers, postgres: PostgresDatabase
) -> None:
    for each in (member("b"), member("a"), member("b", term=3), member("c")):
        members.note(each)
    postgres.execute(
        f"UPDATE motet.members SET seen_at = now() - {LONGEST_SILENCE + 1} * interval '1 s' WHERE home = 'c'"
    )
    seen = members.seen()
    assert [each.member for each in seen] == [member("a"), member("b", term=3)]
    assert all(0 <= each.age < LONGEST_SILENCE for each in seen)
    members.leave("a")
    members.leave("a")
    assert [each.member.home for each in members.seen()] == ["b"]


@pytest.mark.usefixtures("made")
def test_for_how_long_a_lease_runs_is_said_once_for_all(members: PostgresMembers) -> None:
    assert members.lease_seconds() is None
    for seconds in (3.0, 2.5):
        members.set_lease_seconds(seconds)
        assert members.lease_seconds() == seconds


def test_a_database_of_an_earlier_layout_has_none_of_it(members: PostgresMembers) -> None:
    for ask in (members.seen, members.lease_seconds, lambda: members.note(member("a"))):
        with pytest.raises(ServiceError):
            ask()
