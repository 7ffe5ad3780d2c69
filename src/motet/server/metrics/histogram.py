"""How many of some durations were how long."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
)
"""Seconds: from what Motet itself takes for an input, to functions that run for hours."""


class Histogram:
    """Durations by the first of `BOUNDS` that is no less, and their sum."""

    __slots__ = ("_counts", "sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: Sequence[float]) -> None:
        """Count these. Many at once cost least: they are sorted, and cut at the bounds."""
        ordered = sorted(seconds)
        self.sum += sum(ordered)
        counts, total, before = self._counts, len(ordered), 0
        for place, bound in enumerate(BOUNDS):
            if before == total:
                return
            until = bisect_right(ordered, bound, before)
            counts[place] += until - before
            before = until
        counts[-1] += total - before

    def cumulative(self) -> list[tuple[float, int]]:
        """Each bound with the number of durations up to it; the last one is infinity, with all of them.

        >>> histogram = Histogram()
        >>> histogram.add([0.002, 0.001, 4000.0])
        >>> histogram.cumulative()[:2], histogram.cumulative()[-1]
        ([(0.001, 1), (0.0025, 2)], (inf, 3))
        """
        return list(zip((*BOUNDS, float("inf")), accumulate(self._counts), strict=True))
