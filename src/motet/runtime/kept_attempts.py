"""What a container holds for a server that may be killed: its attempts, and outcomes that their callers may not have yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from motet.model.outcome import AttemptEnd, Delivery, HeldAttempt

MOST_BYTES = 64 * 1024 * 1024
"""Of outcomes that are kept: beyond that the oldest are let go of. Their inputs run again if the server is killed just then."""


class KeptAttempts:
    """Attempts from when they are taken until their outcome is acknowledged. Thread-safe.

    Between `cut` and `reopen` nothing is taken: what comes then was sent by a server that is gone, and that the next one does
    not know of.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._change = threading.Condition(threading.Lock())
        self._attempts: dict[int, tuple[str, int, int]] = {}
        """The call and index of each, and whose it is."""
        self._ends: dict[int, AttemptEnd] = {}
        self._is_cut = False

    def began(self, delivery: Delivery) -> bool:
        """An attempt came. False: over a connection that is no more, and it must not run."""
        with self._change:
            if not self._is_cut:
                self._attempts[delivery.attempt] = delivery.call_id, delivery.index, delivery.principal
            return not self._is_cut

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
        if (end := self._ends.pop(attempt, None)) is not None:
            self._bytes -= len(end.payload)

    def cut(self, is_cancelled: Callable[[int], bool]) -> tuple[list[HeldAttempt], list[HeldAttempt], list[AttemptEnd]]:
        """The connection is gone, and nothing is taken over it any more: those that run, and those that have ended, with their
        ends."""
        with self._change:
            self._is_cut = True
            running = [
                HeldAttempt(attempt, call_id, index, is_cancelled(attempt), principal)
                for attempt, (call_id, index, principal) in self._attempts.items()
                if attempt not in self._ends
            ]
            told = [(attempt, *self._attempts[attempt]) for attempt in self._ends]
            ended = [HeldAttempt(attempt, call_id, index, False, whose) for attempt, call_id, index, whose in told]
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
