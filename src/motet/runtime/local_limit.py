"""How many inputs may run in this container, where its own code has said so: `set_local_input_concurrency`."""

from __future__ import annotations

import threading

from motet.client.waiter import Waiter


class LocalLimit:
    """Lets attempts begin, or has them wait for their turn, in the order in which they came.

    The server sends no more than the limit once it knows it; those that wait here were on their way by then. Thread-safe.
    """

    def __init__(self, max_inputs: int) -> None:
        self.value = max_inputs
        self._max_inputs = max_inputs
        self._lock = threading.Lock()
        self._parked: dict[int, Waiter[None]] = {}
        self.was_lowered = False
        """False: there is nothing to ask. A plain value, because every attempt looks at it twice; it never goes back."""

    def running(self, held: int) -> int:
        """How many of the `held` have begun."""
        return held - len(self._parked)

    def change(self, value: int, held: int) -> None:
        """From now on at most so many run, of the `held` attempts that are here. Those that run already go on."""
        self.value = min(value, self._max_inputs)
        self.was_lowered = self.was_lowered or self.value < self._max_inputs
        self.look(held)

    def turn_of(self, attempt: int, held: int) -> Waiter[None] | None:
        """What this attempt is to wait for, before it begins; None: it may begin. It is one of the `held`."""
        with self._lock:
            if self.running(held) <= self.value:
                return None
            turn: Waiter[None] = Waiter()
            self._parked[attempt] = turn
            return turn

    def look(self, held: int) -> None:
        """One has ended, or the limit has changed: let those begin for whom there is room."""
        with self._lock:
            while self._parked and self.running(held) < self.value:
                self._parked.pop(next(iter(self._parked))).set(None)

    def give_up(self, attempt: int) -> None:
        """It was cancelled: it waits no more. Idempotent."""
        with self._lock:
            turn = self._parked.pop(attempt, None)
        if turn is not None:
            turn.set(None)
