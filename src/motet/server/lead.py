"""Leading, where several servers share a database: waiting for it, and keeping it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from motet.errors import ServiceError
from motet.server.answer_watch import AnswerWatch
from motet.server.driver import logger
from motet.store.lease import Leader, Lease, Term

RENEWALS = 5
"""Words to the database that this server still leads, while a lease runs: some may come late before it runs out."""

AWAY_INTERVAL = 1.0
"""Seconds after which a database that is away is asked again, by who waits to lead."""

CLOSE_TIMEOUT = 2.0
"""Seconds for which a renewal that is under way is waited for when the lead ends."""

Say = Callable[[str], None]


def wait_to_lead(
    lease: Lease,
    on_over: Callable[[str], None],
    say: Say,
    on_leader: Callable[[Leader], None] = lambda leader: None,
    pause: Callable[[float], None] = time.sleep,
) -> Term:
    """Returns when this server leads; until then it says for whom it waits, and `on_leader` is told of it. Raises
    `ServiceError` if the database is away from the beginning."""
    told = ""

    def tell(text: str) -> None:
        nonlocal told
        if text != told:
            told = text
            say(f"Waiting to lead: {text}")

    found = lease.take(on_over)
    while isinstance(found, Leader):
        on_leader(found)
        tell(f"{found.holder or 'another server'} leads (term {found.term})")
        found = _next(lease, found.left, on_over, tell, pause)
    return found


def _next(
    lease: Lease, left: float, on_over: Callable[[str], None], tell: Say, pause: Callable[[float], None]
) -> Term | Leader:
    """What becomes of a lease of which so many seconds are left; it is asked until the database answers."""
    while True:
        try:
            lease.wait_freed(left)
            return lease.take(on_over)
        except ServiceError as error:
            tell(str(error))
            pause(AWAY_INTERVAL)


class Lead:
    """That of a server which leads, renewed on a thread of its own until it is closed or over."""

    def __init__(self, lease: Lease, term: Term) -> None:
        self._lease = lease
        self._term = term
        self._problem = ""
        self._renewed_at = time.monotonic()
        self._closing = threading.Event()
        self._watch = AnswerWatch(lease.seconds, self._cut)
        self._thread = threading.Thread(target=self._renew_until_closed, name="motet-lead", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """What keeps it from being renewed; "" for nothing."""
        return self._term.why or self._watch.problem or self._problem

    @property
    def left(self) -> float:
        """Seconds for which nobody else can lead; 0 or fewer: somebody may, and this server cannot know it."""
        return self._renewed_at + self._lease.seconds - time.monotonic()

    def close(self) -> None:
        """Let go of it: who waits may lead. Idempotent."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT)
        if self._thread.is_alive():
            self._cut()
            self._thread.join()
        self._watch.close()
        if not self._term.why:
            with contextlib.suppress(ServiceError):  # it runs out by itself
                self._lease.release(self._term)
        self._lease.close()

    def _renew_until_closed(self) -> None:
        while not self._closing.wait(self._lease.seconds / RENEWALS) and not self._term.why:
            self._renew()

    def _renew(self) -> None:
        began = time.monotonic()
        try:
            with self._watch.asking():
                self._lease.renew(self._term)
        except ServiceError as error:
            if not self._problem and not self._term.why:
                logger.warning("this server may not lead much longer: %s", error)
            self._problem = str(error)
        else:
            if self._problem:
                logger.warning("the database is back, and this server still leads")
            self._problem = ""
            self._renewed_at = began

    def _cut(self) -> None:
        """Nobody knows whether the database is there, or something between; a new connection tells."""
        logger.warning("the database does not answer: its connections are given up, and what waits for them is told so")
        self._lease.cut()
