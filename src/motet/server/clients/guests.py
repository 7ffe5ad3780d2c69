"""Those who came in by the door: clients at the other end of a socket, until they leave or their rights end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from motet.server.access.door import Principal
from motet.server.clients.session import ClientSession
from motet.server.clock import Clock
from motet.server.peers import Peer
from motet.wire.codec import ToServer
from motet.wire.hello import Refused


class Guest:
    """One client's handler."""

    def __init__(self, session: ClientSession, peer: Peer, name: str, gone: Callable[[Guest], None]) -> None:
        self.session = session
        self.name = name
        self.expiry: asyncio.TimerHandle | None = None
        self._peer = peer
        self._gone = gone

    def receive(self, messages: Sequence[ToServer]) -> None:
        """See `Handler`."""
        self.session.receive(messages)

    def disconnected(self) -> None:
        """See `Handler`."""
        if self.expiry is not None:
            self.expiry.cancel()
        self._gone(self)

    def cut_off(self, reason: str) -> None:
        """It may not stay."""
        self._peer.send((Refused(reason),))
        self._peer.close()


class Guests:
    """All of a server's. `disconnect` is told of each that is gone."""

    def __init__(self, clock: Clock, disconnect: Callable[[ClientSession], None]) -> None:
        self._clock = clock
        self._disconnect = disconnect
        self._guests: dict[Guest, None] = {}

    def add(self, session: ClientSession, peer: Peer, principal: Principal | None) -> Guest:
        """One more, who stays until its rights end at most. `principal`: None for code in a container."""
        guest = Guest(session, peer, "" if principal is None else principal.name, self._gone)
        self._guests[guest] = None
        if principal is not None and principal.until is not None:
            left = principal.until - self._clock.wall_now()
            guest.expiry = asyncio.get_running_loop().call_later(max(0.0, left), guest.cut_off, "the token has expired")
        return guest

    def cut_off(self, name: str, reason: str) -> None:
        """End the connections of a principal."""
        for guest in [guest for guest in self._guests if guest.name == name]:
            guest.cut_off(reason)

    def _gone(self, guest: Guest) -> None:
        self._guests.pop(guest, None)
        self._disconnect(guest.session)
