"""What a container holds for a server that may be killed: its attempts, and outcomes that their callers may not have yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from motet.model.current_attempt import Attempt
from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt
from motet.runtime.attempts.batch import BatchDelivery

MOST_BYTES = 64 * 1024 * 1024
"""Of outcomes that are kept: beyond that the oldest are let go of. Their inputs run again if the server is killed just then."""


class _Kept(NamedTuple):
    """An attempt; `began_at` is a moment of a clock that does not go while the container stands still."""

    call_id: str
    place: int
    """In its call."""
    principal: int
    began_at: float
    again: Attempt | None
    batch: int
    method: str


class KeptAttempts:
    """Attempts from when they are taken until their outcome is acknowledged. Thread-safe.

    Between `cut` and `reopen` nothing is taken: what comes then was sent by a server that is gone, and that the next one does
    not know of.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._change = threading.Condition(threading.Lock())
        self._clock = clock
        self._stood = 0.0
        """Seconds for which nothing ran here."""
        self._attempts: dict[int, _Kept] = {}
        self._ends: dict[int, AttemptEnd] = {}
        self._cut_off: set[int] = set()
        self._is_cut = False

    def began(self, delivery: Delivery) -> bool:
        """An attempt came, or a batch of them. False: over a connection that is no more, and it must not run."""
        batch, members = (
            (delivery.attempt, delivery.members) if isinstance(delivery, BatchDelivery) else (0, (delivery,))
        )
        with self._change:
            if self._is_cut:
                return False
            now = self._clock() - self._stood
            for it in members:
                self._attempts[it.attempt] = _Kept(it.call_id, it.index, it.principal, now, it.again, batch, it.method)
            return True

    def cut_off(self, attempts: Iterable[int]) -> None:
        """These have lost their consumers with the server."""
        with self._change:
            self._cut_off.update(attempts)

    def stood_still(self, seconds: float) -> None:
        """Nothing ran here for so long: no time of any attempt."""
        self._stood += seconds

    def ended(self, end: AttemptEnd) -> None:
        """An attempt has its outcome, which is kept from now on."""
        with self._change:
            if end.attempt not in self._attempts:  # acknowledged already: nobody waits for it
                return
            self._ends[end.attempt] = end
            self._bytes += len(end.payload)
            while self._bytes > self._most_bytes and len(self._ends) > 1:
                self._forget(next(iter(self._ends)))

    def acknowledged(self, attempts: Iterable[int]) -> None:
        """Their callers have their outcomes, or nobody will ask for them."""
        with self._change:
            for attempt in attempts:
                self._forget(attempt)
            self._change.notify_all()

    def _forget(self, attempt: int) -> None:
        self._attempts.pop(attempt, None)
        self._cut_off.discard(attempt)
        if (end := self._ends.pop(attempt, None)) is not None:
            self._bytes -= len(end.payload)

    def cut(self, is_cancelled: Callable[[int], bool]) -> tuple[list[HeldAttempt], list[HeldAttempt], list[AttemptEnd]]:
        """The connection is gone, and nothing is taken over it any more: those that run, and those that have ended, with their
        ends."""
        with self._change:
            self._is_cut = True
            now = self._clock() - self._stood
            running: list[HeldAttempt] = []
            ended: list[HeldAttempt] = []
            for attempt, it in self._attempts.items():
                has_ended = attempt in self._ends
                cancelled = not has_ended and is_cancelled(it.batch or attempt)
                ran = now - it.began_at
                held = HeldAttempt(
                    attempt,
                    it.call_id,
                    it.place,
                    cancelled,
                    it.principal,
                    ran,
                    it.again,
                    it.batch,
                    it.method,
                    attempt in self._cut_off,
                )
                (ended if has_ended else running).append(held)
            return running, ended, list(self._ends.values())

    def reopen(self) -> None:
        """What comes from now on comes over another connection."""
        with self._change:
            self._is_cut = False

    def wait_acknowledged(self, timeout: float) -> bool:
        """Wait until no outcome is kept, for so many seconds at most; whether none is."""
        deadline = time.monotonic() + timeout
        with self._change:
            while self._ends and (left := deadline - time.monotonic()) > 0:
                self._change.wait(left)
            return not self._ends
