"""Queues of which mathematics knows the answer."""

from __future__ import annotations

import heapq
import math
import statistics
from typing import Any

import pytest

from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.scenario import Scenario
from motet.simulation.simulator import simulate
from motet.simulation.timeline import percentile
from motet.simulation.trace import make_trace

pytestmark = pytest.mark.nightly


def queue(
    *, servers: int, load: float, duration: str, inputs: int, slots: int = 1, curve: str = "io", seed: int = 0
) -> Scenario:
    """With a mean duration of 1 s, and `load` the inputs that a server runs on average if it has room for them."""
    rate = load * servers
    return Scenario(
        trace=make_trace("poisson", seed, rate, inputs / rate),
        concurrency=Concurrency(max_inputs=slots, target_inputs=slots),
        autoscaler=AutoscalerSettings(min_containers=servers, max_containers=servers),
        duration=Distribution.parse(duration),
        curve=Curve.parse(curve),
        cold_start=Distribution(0.0),
        seed=seed,
    )


def mean_delay(**numbers: Any) -> float:
    """By how much sharing makes inputs longer than they are alone, over some long runs."""
    delays = []
    for seed in range(4):
        scenario = queue(inputs=20_000, seed=seed, **numbers)
        report = simulate(scenario)
        assert report.errors == 0
        assert report.mean is not None
        delays.append(report.mean - statistics.fmean(scenario.durations()))
    return statistics.fmean(delays)


def erlang_wait(slots: int, load: float) -> float:
    """The mean time until one of all slots is free, each of which is taken `load` of the time (Erlang's C formula)."""
    offered = slots * load
    busy = offered**slots / math.factorial(slots) / (1 - load)
    chance = busy / (sum(offered**n / math.factorial(n) for n in range(slots)) + busy)
    return chance / (slots * (1 - load))


@pytest.mark.parametrize(("servers", "slots"), [(1, 1), (3, 1), (2, 5)])
@pytest.mark.parametrize("duration", ["exponential:1", "pareto:1:2"])
def test_each_input_gets_the_slot_that_is_free_first(servers: int, slots: int, duration: str) -> None:
    scenario = queue(servers=servers, slots=slots, load=0.9 * slots, duration=duration, inputs=3000)
    free_at = [0.0] * (servers * slots)
    latencies = []
    for arrival, length in zip(scenario.trace.arrivals, scenario.durations(), strict=True):
        end = max(arrival, heapq.heappop(free_at)) + length
        heapq.heappush(free_at, end)
        latencies.append(end - arrival)
    report = simulate(scenario, checked=servers == 3)
    assert report.mean == pytest.approx(statistics.fmean(latencies))
    assert report.p99 == pytest.approx(percentile(sorted(latencies), 0.99))


@pytest.mark.parametrize(("servers", "slots"), [(1, 1), (3, 1), (2, 2)])
def test_waiting_for_slots_is_what_erlang_says(servers: int, slots: int) -> None:
    waiting = mean_delay(servers=servers, slots=slots, load=0.6 * slots, duration="exponential:1")
    assert waiting == pytest.approx(erlang_wait(servers * slots, 0.6), rel=0.05)


def test_equal_durations_halve_the_waiting() -> None:
    assert mean_delay(servers=1, load=0.6, duration="1") == pytest.approx(erlang_wait(1, 0.6) / 2, rel=0.05)


@pytest.mark.parametrize("duration", ["1", "lognormal:1:1"])
def test_inputs_that_share_a_core_take_what_processor_sharing_takes(duration: str) -> None:
    """Whatever their durations, as long as the mean is the same: 1 / (1 - load) instead of 1."""
    delay = mean_delay(servers=1, slots=1000, load=0.5, duration=duration, curve="gil")
    assert delay == pytest.approx(1 / (1 - 0.5) - 1, rel=0.05)
