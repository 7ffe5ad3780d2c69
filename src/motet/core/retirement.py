"""When the pool of a variant that nobody uses goes: a variant is made for whoever asks for it, and is made again then."""

from __future__ import annotations

from motet.model.retires import Retires

AFTER_WINDOW = 60.0
"""Seconds beyond its `scaledown_window` that a variant is idle before it is retired."""


class Retirement:
    """Of one pool: since when it has been idle, and what it takes for it to go."""

    __slots__ = ("_idle_since", "when")

    def __init__(self, when: Retires, now: float) -> None:
        self.when = when
        self._idle_since: float | None = now

    def wanted(self, when: Retires, now: float) -> None:
        """Somebody asks for the variant, and is about to call it."""
        if when == "when empty":  # whoever holds it may do so for long
            self.when = when
        if self._idle_since is not None:  # who asks for it needs some time to make the call
            self._idle_since = now

    def due_at(self, busy: bool, window: float, now: float) -> float | None:
        """When it is to go if nothing happens until then; None while it is in use."""
        if busy:
            self._idle_since = None
            return None
        if self._idle_since is None:
            self._idle_since = now
        return self._idle_since + window + AFTER_WINDOW
