"""Loads and scenarios for tests."""

from __future__ import annotations

from typing import Any

from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.simulation.distribution import Distribution
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario
from motet.simulation.simulator import simulate
from motet.simulation.trace import Trace


def load(*groups: tuple[float, int], duration: float = 1.0) -> Trace:
    """So many inputs at each of these moments, all of the same duration."""
    arrivals = [moment for moment, count in groups for _ in range(count)]
    return Trace(name="test", arrivals=arrivals, durations=[duration] * len(arrivals))


def run(
    trace: Trace, *, max_inputs: int = 1, target_inputs: int | None = None, cold_start: float = 1.0, **others: Any
) -> Report:
    """A checked simulation; `others` are fields of the scenario or of the autoscaler's settings, or `policy`; `checked=False`
    for one of many inputs."""
    policy, checked = others.pop("policy", "motet"), others.pop("checked", True)
    settings = {name: others.pop(name) for name in list(others) if name in AutoscalerSettings.__slots__}
    scenario = Scenario(
        trace=trace,
        concurrency=Concurrency(max_inputs=max_inputs, target_inputs=target_inputs or max_inputs),
        autoscaler=AutoscalerSettings(**settings),
        cold_start=Distribution(cold_start),
        **others,
    )
    return simulate(scenario, policy, checked=checked)
