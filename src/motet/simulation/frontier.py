"""Which of the settings that were tried are worth having, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from motet.simulation.report import Report
from motet.simulation.settings import Settings
from motet.simulation.slo import Slo

SAME_COST = 1.01
"""Costs that differ by less than this factor are taken for equal: then latency decides."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Settings, and what a load was like with them."""

    settings: Settings
    report: Report

    @property
    def cost(self) -> float:
        """Container-seconds."""
        return self.report.container_seconds

    def latency(self, measure: str) -> float:
        """In seconds; infinite if no input succeeded."""
        value = getattr(self.report, measure)
        return math.inf if value is None else value


def frontier(tried: Sequence[Tried], measure: str) -> list[Tried]:
    """Those that no other beats in both cost and latency, from the cheapest and slowest on; of equals, the first."""
    best: list[Tried] = []
    for one in sorted(tried, key=lambda it: (it.cost, it.latency(measure))):
        if not best or one.latency(measure) < best[-1].latency(measure):
            best.append(one)
    return best


def by_preference(tried: Sequence[Tried], slo: Slo) -> list[Tried]:
    """The one to take first: of those that meet the SLO, the cheapest, and of such as cost the same the quickest; then those
    that do not, from the one that misses it least. Without an SLO the least product of latency and cost comes first: for the
    same load, that is the most work done per second of waiting and per second paid."""
    measure = slo.measure
    if not slo.bounds:
        return sorted(tried, key=lambda it: (slo.ratio(it.report), it.cost * it.latency(measure), it.cost))
    meeting = sorted((it for it in tried if slo.is_met(it.report)), key=lambda it: it.cost)
    if meeting:
        limit = meeting[0].cost * SAME_COST
        meeting.sort(key=lambda it: (it.latency(measure) if it.cost <= limit else math.inf, it.cost))
    missing = sorted((it for it in tried if not slo.is_met(it.report)), key=lambda it: (slo.ratio(it.report), it.cost))
    return meeting + missing
