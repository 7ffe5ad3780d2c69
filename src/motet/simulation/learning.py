"""How the target of a simulated pool was learned: what it came to, and when."""

from __future__ import annotations

from collections.abc import Callable

from motet.model.views import LearnedTargetView

EVERY = 0.5
"""Virtual seconds between two looks."""
NEAR = 0.25


class Learning:
    """Looks at the learned target while there is load. Where the target is given, it sees nothing."""

    def __init__(self, look: Callable[[float], LearnedTargetView | None]) -> None:
        self._look = look
        self._next_at = 0.0
        self._targets: list[tuple[float, int]] = []
        self._last: LearnedTargetView | None = None

    def look(self, now: float) -> None:
        """Time goes on."""
        if now < self._next_at:
            return
        self._next_at = now + EVERY
        self._last = self._look(now)
        if self._last is not None:
            self._targets.append((now, self._last.target_inputs))

    @property
    def target_inputs(self) -> int | None:
        """What it was at the last look."""
        return None if self._last is None else self._last.target_inputs

    @property
    def confidence(self) -> float | None:
        """How sure it was then."""
        return None if self._last is None else self._last.confidence

    @property
    def after(self) -> float | None:
        """Seconds after which the target first was within a quarter of what it came to."""
        last = self.target_inputs
        return None if last is None else next(at for at, it in self._targets if abs(it - last) <= NEAR * last)
