"""Reports for tests that are about nothing but their numbers."""

from __future__ import annotations

from motet.model.scaling import Concurrency
from motet.simulation.frontier import Tried
from motet.simulation.report import Report
from motet.simulation.settings import Settings
from motet.simulation.timeline import LoadTimeline

NOTHING = LoadTimeline(width=1.0, arrivals=[], containers=[], waiting=[], p50=[], p95=[])


def report(*, p95: float = 1.0, p99: float | None = None, cost: float = 100.0, policy: str = "motet") -> Report:
    """A load that went like this."""
    return Report(
        policy=policy,
        trace="test",
        seed=0,
        inputs=10,
        errors=0,
        p50=p95 / 2,
        p95=p95,
        p99=p95 if p99 is None else p99,
        mean=p95 / 2,
        container_seconds=cost,
        cold_starts=1,
        peak_containers=1,
        peak_inputs=1,
        peak_waiting=0,
        unfinished=0,
        seconds=10.0,
        timeline=NOTHING,
    )


def tried(cost: float, p95: float, max_inputs: int = 1) -> Tried:
    """Settings with which it went like this."""
    concurrency = Concurrency(max_inputs=max_inputs, target_inputs=max_inputs)
    return Tried(Settings(concurrency=concurrency), report(cost=cost, p95=p95))
