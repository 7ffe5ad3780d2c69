"""Those who came in by the door: clients at the other end of a socket, until they leave or their rights end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from motet.errors import ConnectionError
from motet.server.access.door import Principal
from motet.server.clients.session import ClientSession
from motet.server.clock import Clock
from motet.wire.codec import ToServer

MAX_CONNECTIONS = 1000
"""Of one principal, or of one container's code, at once."""

LOOK_INTERVAL = 10.0
"""Seconds between two looks at the wall clock, at most: a timer stands still while the machine sleeps."""


class CanRefuse(Protocol):
    """The server's end of a client's connection."""

    def refuse(self, reason: str) -> None:
        """End it, and say why."""


class Guest:
    """One client's handler."""

    def __init__(
        self, session: ClientSession, peer: CanRefuse, name: str, gone: Callable[[Guest], None], whose: str = ""
    ) -> None:
        self.session = session
        self.name = name
        self.whose = whose
        self.is_away = False
        """Its connection broke, and it may come back."""
        self.until: float | None = None
        self._peer = peer
        self._gone = gone
        self._is_cut_off = False
        self._clock: Clock | None = None
        self._look: asyncio.TimerHandle | None = None

    def expires(self, until: float, clock: Clock) -> None:
        """It may stay until this moment of the wall clock."""
        self.until, self._clock = until, clock
        self._watch()

    def _watch(self) -> None:
        """Cut it off if its time is over, else look again."""
        assert self.until is not None
        assert self._clock is not None
        left = self.until - self._clock.wall_now()
        if left <= 0:
            self.cut_off("the token has expired")
        else:
            self._look = asyncio.get_running_loop().call_later(min(left, LOOK_INTERVAL), self._watch)

    def receive(self, messages: Sequence[ToServer]) -> None:
        """See `Handler`."""
        if self.until is not None and self._clock is not None and self._clock.wall_now() >= self.until:
            self.cut_off("the token has expired")
        if not self._is_cut_off:
            self.session.receive(messages)

    def disconnected(self) -> None:
        """See `Handler`."""
        if self._look is not None:
            self._look.cancel()
        self._gone(self)

    def cut_off(self, reason: str) -> None:
        """It may not stay: what it has here ends now, whether it reads why or not. Idempotent."""
        if not self._is_cut_off:
            self._is_cut_off = True
            self._peer.refuse(reason)
            self.disconnected()


class Guests:
    """All of a server's. `disconnect` is told of each that is gone. `most`: connections of one principal, or of one
    container's code."""

    def __init__(self, clock: Clock, disconnect: Callable[[ClientSession], None], most: int = MAX_CONNECTIONS) -> None:
        self._clock = clock
        self._disconnect = disconnect
        self._most = most
        self._guests: dict[Guest, None] = {}
        self._counts: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """Connections by the names of principals, those of containers' code together under ""."""
        return dict(Counter(guest.name for guest in self._guests))

    def add(self, session: ClientSession, peer: CanRefuse, principal: Principal | None, whose: str = "") -> Guest:
        """One more, who stays until its rights end at most. `principal`: None for code in a container. `whose`: who it counts
        for; "": nobody. One of its own that is away makes room. Raises `ConnectionError` if it has as many as may be."""
        if whose and self._counts[whose] >= self._most:
            away = next((guest for guest in self._guests if guest.whose == whose and guest.is_away), None)
            if away is not None:
                away.cut_off("others needed the room")
        if whose and self._counts[whose] >= self._most:
            self._disconnect(session)
            raise ConnectionError(
                f"{self._most} connections are open already with what this one shows, which are the most that may be "
                "(MOTET_CONNECTIONS_PER_PRINCIPAL of the server): close some"
            )
        guest = Guest(session, peer, "" if principal is None else principal.name, self._gone, whose)
        self._guests[guest] = None
        self._counts[whose] += 1
        if principal is not None and principal.until is not None:
            guest.expires(principal.until, self._clock)
        return guest

    def cut_off(self, name: str, reason: str) -> None:
        """End the connections of a principal."""
        for guest in [guest for guest in self._guests if guest.name == name]:
            guest.cut_off(reason)

    def _gone(self, guest: Guest) -> None:
        if guest in self._guests:
            del self._guests[guest]
            self._counts[guest.whose] -= 1
            if not self._counts[guest.whose]:
                del self._counts[guest.whose]
            self._disconnect(guest.session)
