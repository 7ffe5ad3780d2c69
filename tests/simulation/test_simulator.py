from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.core.policies import POLICIES
from motet.errors import InvalidError
from motet.model.scaling import AutoscalerSettings, Batching, Concurrency
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.scenario import Scenario, limits_for
from motet.simulation.simulator import simulate
from motet.simulation.trace import Trace, make_trace
from tests.simulation.loads import load, run

# --- the guide's arithmetic -------------------------------------------------------------------------------------------


def test_a_hundred_inputs_at_twenty_each_run_in_five_containers() -> None:
    report = run(load((0, 100)), max_inputs=20)
    assert (report.peak_containers, report.cold_starts, report.peak_inputs) == (5, 5, 20)
    assert (report.p50, report.p99) == (2.0, 2.0)  # the cold start, and the input's own second


def test_one_input_more_starts_the_sixth() -> None:
    assert run(load((0, 101)), max_inputs=20).peak_containers == 6


def test_while_the_next_container_starts_the_first_bursts_to_its_maximum() -> None:
    report = run(
        load((10, 130), duration=10),
        max_inputs=120,
        target_inputs=100,
        min_containers=1,
        max_containers=2,
        cold_start=3,
    )
    assert report.peak_inputs == 120
    assert report.peak_containers == 2
    # 120 run at once; the 10 that found no room wait for the second container.
    assert report.peak_waiting == 10
    assert report.p50 == pytest.approx(10)
    assert report.p99 == pytest.approx(13)
    assert report.mean == pytest.approx((120 * 10 + 10 * 13) / 130)


def test_containers_that_are_ready_take_inputs_to_the_target_only() -> None:
    report = run(load((10, 200), duration=10), max_inputs=120, target_inputs=100, min_containers=2, cold_start=3)
    assert (report.peak_inputs, report.peak_containers, report.peak_waiting) == (100, 2, 0)


def test_at_its_limit_the_pool_bursts_and_the_rest_waits() -> None:
    report = run(load((0, 300)), max_inputs=120, target_inputs=100, max_containers=2)
    assert (report.peak_inputs, report.peak_containers) == (120, 2)
    assert report.p50 == 2.0
    assert report.p99 == 3.0


def test_a_host_that_starts_one_container_at_a_time_has_them_one_after_another() -> None:
    report = run(load((0, 3), duration=10), limits=limits_for(1), cold_start=2, max_inputs=1)
    assert (report.mean, report.p99) == (pytest.approx(10 + (2 + 4 + 6) / 3), pytest.approx(16))
    assert run(load((0, 3), duration=10), limits=limits_for(None), cold_start=2).p99 == pytest.approx(12)


def test_the_way_there_and_back_keeps_a_slot_taken() -> None:
    report = run(load((0, 2), duration=2), max_containers=1, cold_start=1, overhead=0.5)
    assert (report.p50, report.p99) == (pytest.approx(1 + 2.5), pytest.approx(1 + 2 * 2.5))


# --- what is counted --------------------------------------------------------------------------------------------------


def test_container_seconds_are_from_the_wish_for_a_container_to_the_end_of_its_window() -> None:
    report = run(load((0, 1), duration=5), cold_start=2, scaledown_window=30)
    assert report.container_seconds == pytest.approx(2 + 5 + 30)
    assert report.seconds == pytest.approx(37)


def test_containers_that_are_kept_count_until_the_pool_is_back_at_its_minimum() -> None:
    report = run(load((0, 2), duration=5), cold_start=2, scaledown_window=30, min_containers=1)
    assert report.peak_containers == 2
    assert report.container_seconds == pytest.approx(2 * 37)


def test_a_pool_that_had_a_break_starts_cold_again() -> None:
    assert run(load((0, 1), (100, 1)), scaledown_window=30).cold_starts == 2
    assert run(load((0, 1), (20, 1)), scaledown_window=30).cold_starts == 1


def test_the_course_over_time_has_what_the_totals_have() -> None:
    report = run(load((0, 10), (50, 30), duration=2), max_inputs=10)
    timeline = report.timeline
    assert sum(timeline.arrivals) * timeline.width == pytest.approx(40)
    assert max(timeline.containers) == report.peak_containers == 3
    assert max(timeline.waiting) == report.peak_waiting
    assert timeline.p95[0] == pytest.approx(3.0)
    assert timeline.containers[0] == 1


def test_a_load_without_inputs_costs_nothing() -> None:
    report = run(Trace(name="empty", arrivals=[]))
    assert (report.inputs, report.errors, report.p50, report.container_seconds) == (0, 0, None, 0)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_inputs_that_fail_are_errors_and_have_no_latency() -> None:
    report = run(load((0, 1000)), max_inputs=100, input_failures=0.25)
    assert 200 < report.errors < 300
    assert report.unfinished == 0
    assert run(load((0, 10)), input_failures=1).p50 is None


def test_inputs_of_a_container_that_died_run_elsewhere() -> None:
    report = run(load(*((second, 10) for second in range(60)), duration=3), max_inputs=10, container_failures=0.02)
    assert report.cold_starts > 6
    assert report.errors < 30
    assert report.unfinished == 0


def test_containers_that_never_start_leave_errors_and_no_endless_simulation() -> None:
    report = run(load((0, 10)), start_failures=1)
    assert report.errors == 10


# --- always -----------------------------------------------------------------------------------------------------------

SCENARIOS = st.builds(
    lambda trace, rate, max_inputs, target, batching, least, most, buffer, window, curve, chances, seed: Scenario(
        trace=make_trace(trace, seed, rate, 30.0),
        concurrency=Concurrency(max_inputs=max_inputs, target_inputs=max(1, round(target * max_inputs))),
        batching=batching,
        autoscaler=AutoscalerSettings(
            min_containers=min(least, most), max_containers=most, buffer_containers=buffer, scaledown_window=window
        ),
        curve=Curve.parse(curve),
        duration=Distribution(0.5, "lognormal", 1.0),
        cold_start=Distribution(1.0, "exponential"),
        input_failures=chances[0],
        start_failures=chances[1],
        container_failures=chances[2],
        seed=seed,
    ),
    st.sampled_from(["poisson", "square-wave", "flash-crowd", "heavy-tailed", "on-off"]),
    st.floats(0.5, 8),
    st.integers(1, 8),
    st.floats(0.1, 1),
    st.none() | st.builds(Batching, max_batch_size=st.integers(1, 4), wait_ms=st.sampled_from([0, 300, "auto"])),
    st.integers(0, 3),
    st.integers(1, 8),
    st.integers(0, 2),
    st.floats(2, 60),
    st.sampled_from(["io", "gil", "gpu-batch"]),
    st.tuples(st.sampled_from([0, 0.1]), st.sampled_from([0, 0.1]), st.sampled_from([0, 0.05])),
    st.integers(0, 99),
)


@settings(deadline=None)
@given(SCENARIOS, st.sampled_from(sorted(POLICIES)))
def test_every_input_ends_once_and_the_limits_hold(scenario: Scenario, policy: str) -> None:
    report = simulate(scenario, policy, checked=True)  # it raises if an input ends twice
    assert report.unfinished == 0
    assert report.inputs == len(scenario.trace.arrivals)
    bounds = scenario.autoscaler
    assert bounds.max_containers is not None
    assert bounds.min_containers <= report.peak_containers <= bounds.max_containers
    batch_size = 1 if scenario.batching is None else scenario.batching.max_batch_size
    assert report.peak_inputs <= scenario.concurrency.max_inputs * batch_size
    if not scenario.input_failures and not scenario.container_failures and not scenario.start_failures:
        assert report.errors == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_scenario_always_goes_the_same_way(policy: str) -> None:
    scenario = Scenario(
        trace=make_trace("heavy-tailed", 3, 20, 60),
        concurrency=Concurrency(max_inputs=4, target_inputs=3),
        curve=Curve("gil", 0.5),
        cold_start=Distribution(1.0, "exponential"),
        input_failures=0.05,
        container_failures=0.01,
        seed=3,
    )
    assert simulate(scenario, policy) == simulate(scenario, policy)


def test_another_seed_makes_another_load() -> None:
    first, second = (Scenario(trace=make_trace("poisson", seed, 5, 60), seed=seed) for seed in (1, 2))
    assert simulate(first).mean != simulate(second).mean


def test_every_policy_meets_the_same_inputs() -> None:
    scenario = Scenario(trace=make_trace("poisson", 1, 5, 20), seed=1)
    assert list(scenario.durations()) == list(scenario.durations())


def test_an_unknown_policy_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidError, match="unknown policy 'kubernetes'; it must be one of motet"):
        simulate(Scenario(trace=load((0, 1))), "kubernetes")
