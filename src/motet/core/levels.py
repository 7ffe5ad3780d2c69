"""How many containers inputs have found taken, of late."""

from __future__ import annotations

from math import exp, log2

EXACT, PER_DOUBLING = 64, 16
"""Numbers below the first have a bin each; above, there are so many bins until a number has doubled."""
LOOKS = 60
"""How often within a `scaledown_window` somebody looks at them, as they fade even while nothing happens."""
MOST_GROWTH = 100.0
"""Weights grow e-fold with each `memory`; before they would overflow, all begin again at 1."""


class Levels:
    """A histogram of numbers, in which those of `memory` seconds ago count a third.

    Bounded: some hundred bins, whatever the numbers are. To count one costs the same however many there are.
    """

    __slots__ = ("_bins", "_memory", "_since")

    def __init__(self, memory: float = 1.0) -> None:
        self._memory = memory
        self._bins: list[float] = []
        self._since = 0.0
        """When a count weighed 1; later ones weigh more, which is as if earlier ones faded."""

    def remember(self, memory: float, now: float) -> None:
        """From now on, remember for so long."""
        if memory != self._memory:
            self._begin_again(now)  # what counted how much until now must not change
            self._memory = memory

    def count(self, level: int, times: int, now: float) -> None:
        """So many inputs found this level now."""
        age = (now - self._since) / self._memory
        if age > MOST_GROWTH:
            self._begin_again(now)
            age = 0.0
        number = level if level < EXACT else EXACT + int(PER_DOUBLING * log2(level / EXACT))
        bins = self._bins
        if number >= len(bins):
            bins.extend([0.0] * (number + 1 - len(bins)))
        bins[number] += times * exp(age)

    def above_all_but(self, share: float) -> int:
        """The smallest level that no more than this share of the counts exceeded; 0 of none. From 64 on it is rounded up."""
        bins = self._bins
        left = share * sum(bins)
        for number in range(len(bins) - 1, -1, -1):
            left -= bins[number]
            if left < 0:
                return number if number < EXACT else int(EXACT * 2 ** ((number + 1 - EXACT) / PER_DOUBLING))
        return 0

    def _begin_again(self, now: float) -> None:
        fade = exp(max((self._since - now) / self._memory, -2 * MOST_GROWTH))
        self._bins = [weight * fade for weight in self._bins]
        self._since = now
