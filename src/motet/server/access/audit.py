"""The audit log of a server that stays: who did what, from where and when, and what came of it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from motet.errors import ServiceError
from motet.model.audit import AuditEntry, AuditOutcome
from motet.server.access.audited import AUDITED, about, is_refusal, kind_of, why
from motet.wire.client_messages import ReplyBody, Request, RequestFailed
from motet.wire.operator_messages import AuditFound, FindAudit

logger = logging.getLogger("motet.server")

MOST_UNWRITTEN = 10_000
"""Entries that wait for a disk; of more, the oldest are lost, and counted."""

MOST_FOUND = 1000
"""Entries in one answer."""

REFUSALS = 100
REFUSALS_PER_SECOND = 1.0
"""Refusals that are written down at once, and then each second: whoever is refused can be refused very often."""


class AuditStore(Protocol):
    """Keeps entries."""

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Keep these, after all others. Raises `ServiceError`."""

    def read(self, since: float | None) -> Iterator[AuditEntry]:
        """What is kept of what was done since then, the oldest first. Raises `ServiceError`."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who does something: a principal, and how it came in."""

    who: str
    principal: str
    where: str


class Audit:
    """Takes entries, and has them written elsewhere, in order. `now` is the wall clock; `later` has something done on another
    thread, where a disk may take its time. A disk that is full stops nobody: it is told of, and entries that it cost are
    counted in the next one that is written."""

    def __init__(
        self, store: AuditStore, now: Callable[[], float], later: Callable[[Callable[[], None]], object]
    ) -> None:
        self._store = store
        self._now = now
        self._later = later
        self._lock = threading.Lock()
        self._unwritten: deque[AuditEntry] = deque()
        self._is_writing = False
        self._lost = 0
        self._problem = ""
        self._refusals = float(REFUSALS)
        self._refused_at = now()

    @property
    def problem(self) -> str:
        """Why nothing can be written now; empty if it can, as far as is known."""
        return self._problem

    def did(self, by: Somebody, what: str, outcome: AuditOutcome, told: dict[str, Any], why: str = "") -> None:
        """Somebody did this, or was refused."""
        if outcome == "refused" and not self._room_for_refusal():
            with self._lock:
                self._lost += 1
            return
        entry = AuditEntry(
            at=round(self._now(), 3),
            who=by.who,
            principal=by.principal,
            where=by.where,
            what=what,
            about=told,
            outcome=outcome,
            why=why,
        )
        with self._lock:
            self._unwritten.append(entry)
            begin, self._is_writing = not self._is_writing, True
        if begin:
            self._later(self.write)

    async def find(self, body: FindAudit) -> ReplyBody:
        """What is written by now. Raises `ServiceError`."""
        last = body.skip + min(body.limit, MOST_FOUND)
        return AuditFound(
            await asyncio.to_thread(lambda: list(itertools.islice(self._store.read(body.since), body.skip, last)))
        )

    def write(self) -> None:
        """Write what waits, on whatever thread this is called. What cannot be written waits for the next entry."""
        while True:
            with self._lock:
                for _ in range(len(self._unwritten) - MOST_UNWRITTEN):
                    self._lost += 1 + self._unwritten.popleft().lost
                entries = list(self._unwritten)
                self._unwritten.clear()
                if not entries:
                    self._is_writing = False
                    return
                lost, self._lost = self._lost, 0
            if lost:
                entries[0] = msgspec.structs.replace(entries[0], lost=entries[0].lost + lost)
            try:
                self._store.append(entries)
            except ServiceError as error:
                if not self._problem:
                    logger.error("%s; up to %d entries wait until it can be written", error, MOST_UNWRITTEN)
                self._problem = str(error)
                with self._lock:
                    self._unwritten.extendleft(reversed(entries))
                    self._is_writing = False
                return
            self._problem = ""

    def _room_for_refusal(self) -> bool:
        now = self._now()
        self._refusals = min(REFUSALS, self._refusals + max(0.0, now - self._refused_at) * REFUSALS_PER_SECOND)
        self._refused_at = now
        if self._refusals < 1:
            return False
        self._refusals -= 1
        return True


class SessionAudit:
    """What one client asks for, until it is answered."""

    def __init__(self, audit: Audit | None, by: Somebody) -> None:
        self._audit = audit
        self._by = by
        self._asked: dict[int, tuple[str, dict[str, Any]]] = {}

    def asked(self, request: Request) -> None:
        """It may ask for this, and is answered later."""
        if self._audit is not None and type(request.body) in AUDITED:
            self._asked[request.request_id] = kind_of(type(request.body)), about(request.body)

    @property
    def awaits_any(self) -> bool:
        """Whether it wants to know what is answered: something that it has a record of is still to be."""
        return bool(self._asked)

    def answered(self, request_id: int, body: ReplyBody) -> None:
        """This is what came of it."""
        if self._audit is None or (asked := self._asked.pop(request_id, None)) is None:
            return
        if not isinstance(body, RequestFailed):
            self._audit.did(self._by, asked[0], "done", asked[1])
        else:
            self._audit.did(self._by, asked[0], "refused" if is_refusal(body) else "failed", asked[1], why(body))

    def denied(self, kind: type[Any], reason: str) -> None:
        """It may not send messages of this kind, and did."""
        if self._audit is not None:
            self._audit.did(self._by, kind_of(kind), "refused", {}, reason)

    def close(self) -> None:
        """It is gone; what it asked for goes on, and nobody is told what comes of it."""
        if self._audit is not None:
            for what, told in self._asked.values():
                self._audit.did(self._by, what, "unanswered", told)
        self._asked.clear()
