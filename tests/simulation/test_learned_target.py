"""The target that a pool learns on the simulator's curves, with the engine, router and policy of production."""

from __future__ import annotations

import pytest

from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario
from motet.simulation.simulator import simulate
from motet.simulation.trace import make_trace

MOST = 64


def learned(
    curve: str, *, rate: float, length: float = 60.0, slo: float | None = None, spread: str = "exponential:0.2"
) -> Report:
    scenario = Scenario(
        trace=make_trace("poisson", 0, rate, length),
        concurrency=Concurrency(max_inputs=MOST, target_inputs="auto", slo_p95=slo),
        autoscaler=AutoscalerSettings(scaledown_window=5.0),
        duration=Distribution.parse(spread),
        curve=Curve.parse(curve),
    )
    return simulate(scenario)


@pytest.mark.parametrize("spread", ["exponential:0.2", "0.2"])
@pytest.mark.parametrize(
    ("curve", "rate", "length", "lowest", "highest"),
    [
        ("io", 600, 30, 50, 64),
        ("gil", 20, 120, 1, 2),
        ("gil:0.1", 150, 60, 6, 16),
        ("gpu-batch", 80, 60, 4, 18),
    ],
)
def test_it_is_near_the_knee(curve: str, rate: float, length: float, lowest: int, highest: int, spread: str) -> None:
    report = learned(curve, rate=rate, length=length, spread=spread)
    assert report.target_inputs is not None
    assert lowest <= report.target_inputs <= highest
    assert report.target_confidence is not None
    assert report.target_confidence > 0.5
    assert report.peak_inputs <= MOST
    assert report.errors == 0


def test_an_slo_makes_it_greater_or_smaller() -> None:
    strict, wide = (learned("gpu-batch", rate=80, slo=slo).target_inputs for slo in (1.0, 3.0))
    assert strict is not None
    assert wide is not None
    assert strict < 10 < wide


def test_a_given_target_is_not_learned() -> None:
    scenario = Scenario(trace=make_trace("poisson", 0, 20, 10), concurrency=Concurrency(max_inputs=8, target_inputs=4))
    report = simulate(scenario)
    assert report.target_inputs is None
    assert "target_inputs" not in report.numbers()


def test_the_same_scenario_teaches_the_same() -> None:
    once, again = (learned("gil:0.1", rate=100, length=20) for _ in range(2))
    assert once.numbers() == again.numbers()
