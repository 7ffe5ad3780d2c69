"""Who leads, where several servers share a database: a lease, which runs out by the database's clock, and its terms."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

LEASE = 2.0
"""Seconds for which a server leads that says nothing more, where nobody has said otherwise (MOTET_LEASE)."""
SHORTEST_LEASE, LONGEST_LEASE = 1.0, 60.0
"""A busy machine may be late by some tenths of a second. After the longest, somebody should have looked."""


class Term:
    """What the database has given to a server that leads: a number, which is higher for each that comes to lead. `on_over` is
    called with why, once, on whatever thread finds out that another server has a later one."""

    def __init__(self, number: int, on_over: Callable[[str], None] = lambda why: None) -> None:
        self.number = number
        self.why = ""
        """Why it is over; empty while it is not known to be."""
        self._on_over = on_over
        self._lock = threading.Lock()

    def end(self, why: str) -> None:
        """Another server has a later one. Idempotent."""
        with self._lock:
            if self.why:
                return
            self.why = why
        self._on_over(why)


class Leader(NamedTuple):
    """Who has the lease; `left`: seconds that are left of it, as long as it is not renewed."""

    holder: str
    term: int
    left: float


class Lease(Protocol):
    """For one thread. All methods raise `ServiceError` if the database is away; nobody knows then whether they had effect."""

    seconds: float
    """For which it runs from when it is taken or renewed."""

    def take(self, on_over: Callable[[str], None]) -> Term | Leader:
        """Lead, with a new term; or who does, if somebody does. From then on nothing is kept that a server with an earlier term
        has not kept yet."""
        ...

    def renew(self, term: Term) -> None:
        """Lead for `seconds` from now. Raises `JournalFenced`, and ends the term: another server leads."""
        ...

    def release(self, term: Term) -> None:
        """Lead no more: who waits may. Nothing is kept with this term any more."""
        ...

    def wait_freed(self, timeout: float) -> None:
        """Until the lease is let go of, or for so long. It may be free without that, and somebody else may have it."""
        ...

    def cut(self) -> None:
        """Whoever waits for the database, here or for anything else that this process keeps there, waits no longer: that one is
        told that its connection is lost. On any thread, and at any time."""
        ...

    def close(self) -> None:
        """Idempotent."""
        ...
