"""What latencies are to be at most."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from motet.errors import InvalidError
from motet.simulation.report import Report

MEASURES = ("p50", "p95", "p99", "mean")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0}


@dataclass(frozen=True, slots=True)
class LatencyBound:
    """One measure of latency and its limit in seconds."""

    measure: str
    limit: float

    def __str__(self) -> str:
        return f"{self.measure}={self.limit:g}s"

    @classmethod
    def parse(cls, text: str) -> LatencyBound:
        """The bound that `text` says.

        >>> print(LatencyBound.parse("p95=500ms"))
        p95=0.5s
        """
        measure, _, value = text.partition("=")
        if measure not in MEASURES:
            raise InvalidError(f"{text!r} is no objective: they are {', '.join(MEASURES)}, as in p95=0.5s or p99=200ms")
        number = value.rstrip("ms")
        try:
            limit = float(number) * _UNITS[value[len(number) :]]
        except (ValueError, KeyError):
            limit = math.nan
        if not 0 < limit < math.inf:
            raise InvalidError(f"{text!r}: a latency must be more than 0 and finite, as in {measure}=0.5s or 200ms")
        return cls(measure, limit)


@dataclass(frozen=True, slots=True)
class Slo:
    """Bounds that must all hold; none at all always do."""

    bounds: tuple[LatencyBound, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Slo:
        """Each of `texts` is one bound, or several with commas between them. Raises `InvalidError` that names the wrong one."""
        bounds = tuple(LatencyBound.parse(part.strip()) for text in texts for part in text.split(","))
        for bound in bounds:
            if sum(it.measure == bound.measure for it in bounds) > 1:
                raise InvalidError(f"{bound.measure} is bounded more than once: {', '.join(map(str, bounds))}")
        return cls(bounds)

    @property
    def measure(self) -> str:
        """The measure that settings are compared by: that of the first bound, or p95."""
        return self.bounds[0].measure if self.bounds else "p95"

    def ratio(self, report: Report) -> float:
        """The worst latency in parts of its limit: up to 1 all bounds hold. Infinite if inputs failed."""
        if report.errors or report.p50 is None:
            return math.inf
        return max((getattr(report, it.measure) / it.limit for it in self.bounds), default=0.0)

    def is_met(self, report: Report) -> bool:
        """Whether all bounds hold, and no input failed."""
        return self.ratio(report) <= 1

    def __str__(self) -> str:
        return ", ".join(map(str, self.bounds))
