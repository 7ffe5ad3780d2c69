"""One of the servers that share a database: it says there that it is there, and sees which others are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import msgspec

from motet.errors import ServiceError
from motet.store.lease import Leader
from motet.store.members import Members, SeenMember, ServerMember

NOTE_INTERVAL = 1.0
"""Seconds between two words to the database."""


class Membership:
    """That of this server, noted on a thread of its own until it is closed. `also`: is read there as often; it may raise
    `ServiceError`. Thread-safe."""

    def __init__(self, members: Members, own: ServerMember, also: Callable[[], None] = lambda: None) -> None:
        self._members = members
        self._also = also
        self._own = own
        self.all: list[SeenMember] = []
        """Those that were there lately, this one among them."""
        self.leader: Leader | None = None
        """For whom this one waits, if it does."""
        self.lease = 0.0
        """Seconds for which a lease runs; 0: that is not known."""
        self.complaint = ""
        """What an operator should set in another way; empty: nothing."""
        self._closing = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._note_until_closed, name="motet-member", daemon=True)
        self._thread.start()

    @property
    def own(self) -> ServerMember:
        """This one."""
        return self._own

    def reached_at(self, address: str, fingerprint: str) -> None:
        """Clients reach it there."""
        self._own = msgspec.structs.replace(self._own, address=address, fingerprint=fingerprint)
        self._changed.set()

    def leads(self, term: int, lease: float) -> None:
        """It does, from now on."""
        self.leader, self.lease = None, lease
        self._own = msgspec.structs.replace(self._own, term=term)
        self._changed.set()

    @property
    def others(self) -> list[SeenMember]:
        """Those beside this one."""
        return [each for each in self.all if each.member.home != self._own.home]

    @property
    def has_others_elsewhere(self) -> bool:
        """Whether one of another machine may come to lead."""
        return any(each.member.host != self._own.host for each in self.others)

    def of_leader(self) -> ServerMember | None:
        """The one that this waits for, where it has said where it is."""
        leader = self.leader
        return next((each.member for each in self.all if leader is not None and each.member.term == leader.term), None)

    def close(self) -> None:
        """It is not there any more. Idempotent."""
        if not self._closing.is_set():
            self._closing.set()
            self._changed.set()
            self._thread.join()
            with contextlib.suppress(ServiceError):
                self._members.leave(self._own.home)
            self._members.close()

    def _note_until_closed(self) -> None:
        while not self._closing.is_set():
            self._changed.clear()
            with contextlib.suppress(ServiceError):  # who leads, and so keeps things, is told of it
                self._members.note(self._own)
                self.all = self._members.seen()
                self._also()
            self._changed.wait(NOTE_INTERVAL)
