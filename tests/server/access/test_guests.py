"""Those who came in by the door, until their rights end: also while the machine sleeps, and whether they read or not."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from motet.errors import ConnectionError
from motet.server.access.door import Principal
from motet.server.access.rights import CALL
from motet.server.clients import guests as guests_module
from motet.server.clients.guests import Guest, Guests
from motet.server.clock import Clock
from motet.wire.client_messages import CancelCall


class Session:
    """What a client sent."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def receive(self, messages: Any) -> None:
        self.heard += messages


class Peer:
    """Its connection, which does not end by itself: it does not read."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def refuse(self, reason: str) -> None:
        self.reasons.append(reason)


class Scene:
    """One guest whose rights end at 100, as the wall clock says."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.gone: list[Any] = []
        self.session, self.peer = Session(), Peer()
        # The other clock stands still: the machine sleeps.
        self.guests = Guests(Clock(lambda: 0.0, lambda: self.wall), self.gone.append)
        self.guest: Guest = self.guests.add(cast(Any, self.session), cast(Any, self.peer), Principal("ci", CALL, 100.0))


def test_nothing_is_done_for_one_whose_token_expired_while_the_machine_slept() -> None:
    async def main() -> None:
        scene = Scene()
        message = CancelCall("fc-1")
        scene.guest.receive([message])
        scene.wall = 100.0
        scene.guest.receive([message])
        assert scene.session.heard == [message]
        assert scene.peer.reasons == ["the token has expired"]
        assert scene.gone == [scene.session]

    asyncio.run(main())


def test_one_who_says_nothing_is_cut_off_soon_after_the_machine_woke(monkeypatch: Any) -> None:
    monkeypatch.setattr(guests_module, "LOOK_INTERVAL", 0.01)

    async def main() -> None:
        scene = Scene()
        scene.wall = 100.0
        async with asyncio.timeout(30):
            while not scene.gone:  # noqa: ASYNC110 - a timer of the loop's, which tells nobody
                await asyncio.sleep(0.001)
        assert scene.peer.reasons == ["the token has expired"]

    asyncio.run(main())


def test_what_one_has_here_ends_when_it_is_cut_off_and_not_when_it_reads_why() -> None:
    async def main() -> None:
        scene = Scene()
        scene.guests.cut_off("other", "no")
        assert scene.gone == []
        scene.guests.cut_off("ci", "the token was revoked")
        assert scene.gone == [scene.session]
        scene.guest.receive([CancelCall("fc-1")])
        scene.guest.disconnected()
        scene.guests.cut_off("ci", "again")
        assert (scene.session.heard, scene.peer.reasons) == ([], ["the token was revoked"])
        assert scene.gone == [scene.session]

    asyncio.run(main())


def test_a_principal_has_so_many_connections_and_others_have_theirs() -> None:
    gone: list[Any] = []
    guests = Guests(Clock(lambda: 0.0, lambda: 0.0), gone.append, 2)

    def come(name: str, whose: str) -> Guest:
        principal = Principal(name, CALL) if name else None
        return guests.add(cast(Any, Session()), cast(Any, Peer()), principal, whose)

    first, _ = come("ci", "key-1"), come("ci", "key-1")
    with pytest.raises(ConnectionError, match=r"2 connections are open already .*MOTET_CONNECTIONS_PER_PRINCIPAL"):
        come("ci", "key-1")
    assert len(gone) == 1  # its session is let go of
    come("ci", "key-2")  # the same name after the token was revoked
    come("", "ta-1")
    come("ops", "")  # a request of HTTP: its connection is counted elsewhere
    assert guests.counts() == {"ci": 3, "": 1, "ops": 1}
    first.disconnected()
    come("ci", "key-1")
    assert guests.counts()["ci"] == 3
