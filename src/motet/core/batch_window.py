"""How long a batch waits for more inputs: a fixed time, or one learned from how inputs come and how long batches take."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from motet.model.scaling import Batching

REMEMBERED = 64
"""Arrivals, and batches, that a learned window follows from."""

MAX_LEARNED_WAIT = 1.0
"""Seconds. No learned window is longer, and no pause between inputs counts for more: the next ones come as before it."""


class Plan(NamedTuple):
    """A batch leaves with `enough` inputs, or when its first one has waited for `wait` seconds."""

    wait: float
    enough: int


class Window(Protocol):
    """Says when a batch leaves; is told what it may learn from."""

    @property
    def plan(self) -> Plan: ...

    def arrived(self, now: float) -> None: ...

    def took(self, inputs: int, seconds: float) -> None: ...


def window_for(batching: Batching) -> Window:
    """The window that a declaration asks for."""
    if batching.wait_ms == "auto":
        return LearnedWindow(batching.max_batch_size)
    return FixedWindow(Plan(batching.wait_ms / 1000, batching.max_batch_size))


def fitted(batches: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Fixed cost and cost per input, in seconds, of the straight line nearest to (inputs, seconds) of these batches.

    Least squares, neither cost below zero. Batches that are all of one size do not tell the two apart: their mean counts as
    fixed cost, which makes windows longer, and so the sizes differ.
    """
    count = len(batches)
    mean_inputs = sum(inputs for inputs, _ in batches) / count
    mean_seconds = sum(seconds for _, seconds in batches) / count
    spread = sum((inputs - mean_inputs) ** 2 for inputs, _ in batches)
    if not spread:
        return mean_seconds, 0.0
    together = sum((inputs - mean_inputs) * (seconds - mean_seconds) for inputs, seconds in batches)
    per_input = min(max(0.0, together / spread), mean_seconds / mean_inputs)
    return mean_seconds - per_input * mean_inputs, per_input


def learned(fixed_cost: float, gap: float, max_batch_size: int) -> Plan:
    """The plan for calls that cost `fixed_cost` seconds besides their inputs', with an input every `gap` seconds.

    Another input in the batch spares the fixed cost of a call of its own; waiting for it costs each of the n inputs
    that are there one gap. So the batch grows while `n * gap < fixed_cost`, up to `max_batch_size`, and waits for as
    long as that many inputs take to come, up to `MAX_LEARNED_WAIT`.
    """
    if gap * max_batch_size <= fixed_cost:
        enough = max_batch_size
    else:
        enough = max(1, -int(-fixed_cost // gap))
    return Plan(min((enough - 1) * gap, MAX_LEARNED_WAIT), enough)


class FixedWindow:
    """The user said how long."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def arrived(self, now: float) -> None:
        """Nothing to learn."""

    def took(self, inputs: int, seconds: float) -> None:
        """Nothing to learn."""


class LearnedWindow:
    """Follows recent arrivals and batches. Until it has seen a batch, none waits."""

    def __init__(self, max_batch_size: int) -> None:
        self._max_batch_size = max_batch_size
        self._gaps: deque[float] = deque(maxlen=REMEMBERED)
        self._last_arrival: float | None = None
        self._batches: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self._fixed_cost = 0.0

    @property
    def plan(self) -> Plan:
        """The plan as of now."""
        if not self._gaps or not self._batches:
            return Plan(0.0, 1)
        return learned(self._fixed_cost, sum(self._gaps) / len(self._gaps), self._max_batch_size)

    def arrived(self, now: float) -> None:
        """An input came."""
        if self._last_arrival is not None:
            # Bounded, or one night without inputs would outweigh the next 64 of them.
            self._gaps.append(min(now - self._last_arrival, MAX_LEARNED_WAIT))
        self._last_arrival = now

    def took(self, inputs: int, seconds: float) -> None:
        """A batch of so many inputs succeeded after so long."""
        self._batches.append((inputs, seconds))
        self._fixed_cost, _ = fitted(self._batches)
