"""What Motet's own policy is worth beside its peers', on small loads; `benchmarks/autoscaling.py` has the large ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.core.autoscaler import Demand, Policy, PoolFacts, ScalingDecision
from motet.core.policies import POLICIES
from motet.model.scaling import AutoscalerSettings
from motet.simulation.distribution import Distribution
from motet.simulation.report import Report
from motet.simulation.trace import SHAPES, Trace, make_trace
from tests.simulation.loads import load, run

RATES = {
    "ramp": (100, 40),
    "diurnal": (20, 600),
    "square-wave": (30, 300),
    "on-off": (30, 300),
    "heavy-tailed": (15, 200),
}


@cache
def small(name: str, policy: str) -> Report:
    rate, length = RATES.get(name, (50, 60))
    trace = make_trace(name, 7, rate, length)
    return run(
        trace, policy=policy, checked=False, max_inputs=4, cold_start=2.0, duration=Distribution(0.2, "exponential")
    )


@pytest.mark.parametrize("peer", [name for name in POLICIES if name != "motet"])
@pytest.mark.parametrize("name", SHAPES)
def test_no_peer_is_both_faster_and_cheaper(name: str, peer: str) -> None:
    own, other = small(name, "motet"), small(name, peer)
    assert own.p99 is not None
    assert other.p99 is not None
    assert own.p99 <= other.p99 or own.container_seconds <= other.container_seconds


@pytest.mark.parametrize("name", SHAPES)
def test_it_costs_less_than_starting_a_container_for_whatever_waits(name: str) -> None:
    assert small(name, "motet").container_seconds < small(name, "modal").container_seconds


def waves(count: int, period: float, high: float, low: float = 4.0) -> Trace:
    """For `high` seconds of every period 40 inputs a second come, otherwise `low`."""
    arrivals = []
    for wave in range(count):
        begin = wave * period
        arrivals += [begin + n / 40 for n in range(int(high * 40))]
        arrivals += [begin + high + n / low for n in range(int((period - high) * low))]
    return Trace(name="waves", arrivals=arrivals, durations=[0.25] * len(arrivals))


@settings(max_examples=6, deadline=None)
@given(
    period=st.sampled_from([10.0, 20.0, 40.0]), part=st.sampled_from([0.3, 0.5, 0.7]), cold=st.sampled_from([0.5, 2.0])
)
def test_it_does_not_flap_on_a_square_wave_shorter_than_its_window(period: float, part: float, cold: float) -> None:
    few, many = (
        run(waves(count, period, part * period), max_inputs=2, cold_start=cold, scaledown_window=60.0, checked=False)
        for count in (4, 12)
    )
    assert many.cold_starts <= few.cold_starts + 2  # eight more waves are served by the same containers


@dataclass(frozen=True)
class Unforeseeing:
    """The same policy, but it is not told that a load repeats."""

    policy: Policy = POLICIES["motet"]
    span: float = 0.0
    foresees: bool = False

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        return self.policy.decide(demand, facts, settings, now)


@pytest.fixture
def unforeseeing() -> Iterator[str]:
    POLICIES["unforeseeing"] = Unforeseeing()
    yield "unforeseeing"
    del POLICIES["unforeseeing"]


@pytest.mark.parametrize(("period", "high", "low"), [(90.0, 5.0, 0.5), (120.0, 20.0, 4.0), (150.0, 60.0, 0.5)])
def test_a_load_that_repeats_after_longer_than_the_window_finds_its_containers_ready(
    period: float, high: float, low: float, unforeseeing: str
) -> None:
    own, other = (
        run(
            waves(15, period, high, low),
            max_inputs=2,
            cold_start=2.0,
            scaledown_window=30.0,
            checked=False,
            policy=policy,
        )
        for policy in ("motet", unforeseeing)
    )
    assert own.mean is not None
    assert other.mean is not None
    assert own.mean - 0.25 < 0.5 * (other.mean - 0.25)  # what is left waits in the first waves
    assert own.container_seconds <= 1.01 * other.container_seconds


@pytest.mark.parametrize("name", ["poisson", "heavy-tailed", "on-off", "flash-crowd", "ramp"])
def test_nothing_is_expected_of_loads_that_do_not_repeat(name: str, unforeseeing: str) -> None:
    trace = make_trace(name, 3, 20, 300)
    own, other = (
        run(trace, max_inputs=4, cold_start=1.0, scaledown_window=10.0, checked=False, policy=policy)
        for policy in ("motet", unforeseeing)
    )
    assert own.cold_starts <= other.cold_starts + 1
    assert own.container_seconds <= 1.02 * other.container_seconds


@settings(max_examples=12, deadline=None)
@given(
    low=st.integers(0, 3),
    above=st.integers(1, 20),
    window=st.sampled_from([2.0, 10.0, 60.0]),
    cold=st.sampled_from([0.1, 1.0, 5.0]),
    slots=st.sampled_from([1, 4]),
)
def test_the_bounds_hold_whatever_it_expects(low: int, above: int, window: float, cold: float, slots: int) -> None:
    trace = make_trace("heavy-tailed", above, 20, 20)
    report = run(
        trace,
        max_inputs=slots,
        cold_start=cold,
        min_containers=low,
        max_containers=low + above,
        scaledown_window=window,
        duration=Distribution(0.3, "exponential"),
    )
    assert report.errors == 0
    assert report.peak_containers <= low + above
    assert report.peak_inputs <= slots


def warm(burst: Trace) -> Trace:
    """After a hundred seconds of four inputs a second."""
    quiet = [n / 4 for n in range(400)]
    assert burst.durations is not None
    return Trace(
        name="burst",
        arrivals=[*quiet, *(100 + moment for moment in burst.arrivals)],
        durations=[*[0.1] * len(quiet), *burst.durations],
    )


def test_a_burst_that_is_over_before_a_start_starts_nothing() -> None:
    quiet, burst = (run(warm(load((0.0, n), duration=0.1)), max_inputs=10, cold_start=5.0) for n in (1, 300))
    assert burst.cold_starts <= quiet.cold_starts + 1  # modal starts thirty


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 60),
    duration=st.floats(0.05, 20.0),
    cold=st.floats(0.2, 10.0),
    slots=st.sampled_from([1, 4]),
)
def test_no_container_starts_that_could_not_serve_any_of_a_burst(
    count: int, duration: float, cold: float, slots: int
) -> None:
    """When the last of them is ready, there are at least as many inputs left as containers have started for them."""
    warmed = 30 * max(20.0, duration)
    quiet = [number * warmed / 30 for number in range(30)]
    trace = Trace(name="burst", arrivals=[*quiet, *[warmed] * count], durations=[duration] * (30 + count))
    report = run(trace, max_inputs=slots, cold_start=cold, scaledown_window=2 * warmed, checked=False)
    started = report.cold_starts - 1
    served = math.floor(cold / duration + 1e-9) * slots  # by the one that is there
    assert started <= max(0, count - served)


def test_a_burst_of_a_second_does_not_start_hundreds() -> None:
    trace = warm(load(*((n / 1000, 1) for n in range(1000)), duration=0.1))
    report, modal = (run(trace, policy=policy, cold_start=2.0, checked=False) for policy in ("motet", "modal"))
    assert modal.peak_containers > 900
    assert report.peak_containers <= 200
    assert report.container_seconds < 0.1 * modal.container_seconds


def test_long_inputs_that_come_at_once_get_a_container_each_and_no_more() -> None:
    report = run(load((0.0, 1), (10.0, 40), duration=30.0), cold_start=2.0)
    assert report.cold_starts == 41  # the first one is busy


def test_containers_that_inputs_needed_stay_for_their_window() -> None:
    """Twenty long inputs in twenty containers, then a pause that is shorter than the window: nothing starts again."""
    groups = [(wave * 50.0, 20) for wave in range(20)]
    report = run(load(*groups, duration=10.0), cold_start=2.0, scaledown_window=60.0)
    assert report.cold_starts == 20
    assert math.isclose(report.p99 or 0.0, 12.0)


def test_what_a_start_from_nothing_took_too_many_goes_at_once() -> None:
    trace = make_trace("steady", 0, 100, 60)
    own, modal = (
        run(trace, policy=policy, max_inputs=4, cold_start=2.0, duration=Distribution(0.2), checked=False)
        for policy in ("motet", "modal")
    )
    assert (own.p99 or 0.0) < (modal.p99 or 0.0)  # it starts containers for those that will come during the first start
    assert own.container_seconds < 0.6 * modal.container_seconds
