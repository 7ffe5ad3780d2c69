"""Servers that share a database say that they are there, and agree for how long a lease runs."""

from __future__ import annotations

import threading

import pytest

from motet.errors import ServiceError
from motet.server.membership import Membership
from motet.server.shared_database import agreed_lease
from motet.server.sharing import advertised
from motet.store.lease import LEASE, Leader
from motet.store.members import SeenMember, ServerMember

PATIENCE = 30.0


class RememberedMembers:
    """Of a database that is away when a test says so. `noted` is released for each that is noted."""

    def __init__(self, *others: ServerMember) -> None:
        self.all = {each.home: each for each in others}
        self.noted = threading.Semaphore(0)
        self.is_away = self.is_closed = False

    def note(self, member: ServerMember) -> None:
        if self.is_away:
            self.noted.release()
            raise ServiceError("it is away")
        self.all[member.home] = member

    def seen(self) -> list[SeenMember]:
        try:
            return [SeenMember(self.all[home], 0.5) for home in sorted(self.all)]
        finally:
            self.noted.release()

    def homes(self) -> list[str]:
        return sorted(self.all)

    def leave(self, home: str) -> None:
        self.all.pop(home, None)

    def lease_seconds(self) -> float | None:
        return None

    def set_lease_seconds(self, seconds: float) -> None:
        """Nobody asks."""

    def close(self) -> None:
        self.is_closed = True


OTHER = ServerMember(home="b:/h", holder="process 2 on b", motet="1", address="tls:b:1", term=4)


def own(**more: float) -> ServerMember:
    return ServerMember(home="a:/h", holder="process 1 on a", motet="1", **more)  # type: ignore[arg-type]


def test_it_is_noted_where_a_server_is_reached_and_with_which_term_it_leads() -> None:
    members = RememberedMembers(OTHER)
    membership = Membership(members, own())
    membership.reached_at("tls:a:1", "sha256:1")
    membership.leads(5, 3.0)
    while members.all.get("a:/h") != ServerMember(
        home="a:/h", holder="process 1 on a", motet="1", address="tls:a:1", fingerprint="sha256:1", term=5
    ):
        assert members.noted.acquire(timeout=PATIENCE)
    membership.close()
    membership.close()
    assert (members.all, members.is_closed, membership.lease) == ({"b:/h": OTHER}, True, 3.0)


def test_who_waits_knows_where_the_one_is_that_leads() -> None:
    members = RememberedMembers(OTHER)
    membership = Membership(members, own())
    assert membership.of_leader() is None
    while not membership.all:
        assert members.noted.acquire(timeout=PATIENCE)
    membership.leader = Leader("process 2 on b", 4, 1.0)
    assert membership.of_leader() == OTHER
    membership.leader = Leader("process 3 on c", 5, 1.0)  # which has said nothing of itself yet
    assert membership.of_leader() is None
    membership.close()


def test_a_database_that_is_away_is_told_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.server.membership.NOTE_INTERVAL", 0.001)
    members = RememberedMembers()
    members.is_away = True
    membership = Membership(members, own())
    for _ in range(3):
        assert members.noted.acquire(timeout=PATIENCE)
    assert membership.all == []
    members.is_away = False
    while not membership.all:
        assert members.noted.acquire(timeout=PATIENCE)
    membership.close()


@pytest.mark.parametrize(
    ("said", "wanted", "others", "seconds"),
    [
        (None, None, False, LEASE),
        (None, 5.0, False, 5.0),
        (None, 5.0, True, 5.0),
        (3.0, None, False, 3.0),
        (3.0, None, True, 3.0),
        (3.0, 5.0, True, 3.0),
        (3.0, 5.0, False, 5.0),
    ],
)
def test_what_the_database_says_counts_unless_nobody_else_is_there(
    said: float | None, wanted: float | None, others: bool, seconds: float
) -> None:
    assert agreed_lease(said, wanted, others) == seconds


@pytest.mark.parametrize(
    ("address", "names", "told"),
    [
        ("tls:0.0.0.0:7433", ("build.example", "other"), "tls:build.example:7433"),
        ("tls:[::]:1", ("build.example",), "tls:build.example:1"),
        ("tls:10.0.0.7:7433", ("build.example",), "tls:10.0.0.7:7433"),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_under_its_name(
    address: str, names: tuple[str, ...], told: str
) -> None:
    assert advertised(address, names) == told
