"""The attempts a container holds: never more than it may."""

from __future__ import annotations

from motet.errors import InternalError


class Slots:
    """Which attempts run here, and which of them were cancelled. Plain bookkeeping, no I/O.

    Deliveries and cancellations come over two connections, so a cancellation may be here first. It is kept for its
    attempt, which is known to be still on its way because the numbers of deliveries only rise. `cancel` may run on
    another thread than the rest.
    """

    __slots__ = ("_cancelled", "_early", "_held", "_newest", "max_inputs")

    def __init__(self, max_inputs: int) -> None:
        self.max_inputs = max_inputs
        self._held: set[int] = set()
        self._cancelled: set[int] = set()
        self._early: set[int] = set()
        """Attempts that were cancelled and have not arrived. Whoever takes one out acts on it."""
        self._newest = 0

    def __len__(self) -> int:
        return len(self._held)

    def take(self, attempt: int) -> bool:
        """An attempt arrived: True if it has been cancelled already. Raises `InternalError` if the server sent more than
        this container takes."""
        if len(self._held) >= self.max_inputs:
            raise InternalError(
                f"attempt {attempt} was delivered on top of {len(self._held)}, max_inputs={self.max_inputs}"
            )
        # In this order: a cancellation takes what is newer, and not held, for still on its way.
        self._held.add(attempt)
        self._newest = attempt
        if not self._early or not self._act_on(attempt):
            return False
        self._cancelled.add(attempt)
        return True

    def cancel(self, attempt: int) -> bool:
        """A cancellation arrived. True if the attempt is here and is to be ended now; one that is still on its way is
        ended when it comes, and all others are to be left alone."""
        if attempt not in self._held:
            # Before looking again: it may arrive at this moment, and then either side finds out, but not both.
            self._early.add(attempt)
            if attempt not in self._held and attempt > self._newest:
                return False
            if not self._act_on(attempt) or attempt not in self._held:
                return False
        if attempt in self._cancelled:
            return False
        self._cancelled.add(attempt)
        return True

    def _act_on(self, attempt: int) -> bool:
        try:
            self._early.remove(attempt)
        except KeyError:
            return False
        return True

    def cancelled(self, attempt: int) -> bool:
        return attempt in self._cancelled

    def release(self, attempt: int) -> None:
        """An attempt ended. Idempotent."""
        self._held.discard(attempt)
        self._cancelled.discard(attempt)
