"""The attempts a container holds: never more than it may."""

from __future__ import annotations

from motet.errors import InternalError


class Slots:
    """Which attempts run here, and which of them were cancelled. Plain bookkeeping, no I/O."""

    __slots__ = ("_cancelled", "_held", "max_inputs")

    def __init__(self, max_inputs: int) -> None:
        self.max_inputs = max_inputs
        self._held: set[int] = set()
        self._cancelled: set[int] = set()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, attempt: int) -> None:
        """An attempt arrived. Raises `InternalError` if the server sent more than this container takes."""
        if len(self._held) >= self.max_inputs:
            raise InternalError(
                f"attempt {attempt} was delivered on top of {len(self._held)}, max_inputs={self.max_inputs}"
            )
        self._held.add(attempt)

    def cancel(self, attempt: int) -> bool:
        """A cancellation arrived. True if it is the first for an attempt that is here; others are to be ignored."""
        if attempt not in self._held or attempt in self._cancelled:
            return False
        self._cancelled.add(attempt)
        return True

    def cancelled(self, attempt: int) -> bool:
        return attempt in self._cancelled

    def release(self, attempt: int) -> None:
        """An attempt ended. Idempotent."""
        self._held.discard(attempt)
        self._cancelled.discard(attempt)
