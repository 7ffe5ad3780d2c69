"""Knative's pod autoscaler: its windows, its panic, its last pod."""

from __future__ import annotations

import itertools

import pytest

from motet.core.autoscaler import NOTHING_RUNS
from motet.core.policies.knative import KnativePolicy
from motet.core.scaler import Scaler

from .trial import Trial

NONE = KnativePolicy(initial_scale=0)


def test_the_constants_are_those_it_ships() -> None:
    policy = KnativePolicy()
    assert (policy.tick, policy.stable_window, policy.panic_window, policy.panic_threshold) == (2.0, 60.0, 6.0, 2.0)
    assert (policy.max_scale_up_rate, policy.max_scale_down_rate) == (1000.0, 2.0)
    assert (policy.target_utilization, policy.scale_to_zero_grace, policy.initial_scale) == (0.7, 30.0, 1)


def test_the_first_pod_comes_unasked_and_goes_after_a_stable_window_and_a_grace() -> None:
    trial = Trial(KnativePolicy()).at(100.0)
    assert trial.changes == [(0.0, 1), (90.0, 0)]


def test_it_is_asked_every_two_seconds_and_not_at_all_when_asleep() -> None:
    trial = Trial(KnativePolicy()).at(400.0)
    assert trial.asked == [float(second) for second in range(2, 93, 2)]


def test_demand_that_finds_no_container_is_seen_at_once() -> None:
    trial = Trial(NONE).at(0.7).has(1)
    assert trial.changes == [(0.0, 0), (0.7, 1)]


@pytest.mark.parametrize(
    ("target", "inputs", "desired"),
    [(1, 7, 10), (10, 7, 1), (10, 70, 10), (10, 71, 11), (100, 140, 2)],
)
def test_steady_load_gets_containers_at_seventy_percent_of_the_target(target: int, inputs: int, desired: int) -> None:
    trial = Trial(NONE, target).has(inputs).at(200.0)
    assert trial.desired == desired


def test_a_rise_below_the_threshold_is_averaged_over_the_stable_window() -> None:
    trial = Trial(NONE, 10).has(70).at(200.0)
    assert trial.desired == 10
    trial.has(105)  # 15 are wanted, less than twice 10
    trial.at(230.0)
    assert 12 <= trial.desired <= 14
    trial.at(262.0)
    assert trial.desired == 15


def test_a_rise_to_twice_what_is_ready_panics_and_goes_by_the_last_seconds() -> None:
    trial = Trial(NONE, 10).has(70).at(200.0)
    trial.has(280).at(208.0)
    assert trial.desired == 40
    assert "panicking" in trial.decision.reason


def test_it_never_scales_down_in_panic_and_leaves_it_a_stable_window_later() -> None:
    trial = Trial(NONE, 10).has(70).at(200.0).has(280).at(208.0).has(70)
    entered = next(at for at, desired in trial.changes if at > 200 and desired > 10)
    trial.at(entered + 60.0)
    assert trial.desired == 40
    left = next(at for at, desired in Trial.at(trial, 300.0).changes if at > 208 and desired < 40)
    assert entered + 60.0 < left <= 208.0 + 60.0 + 2 * 2.0


def test_it_shrinks_to_half_at_most_with_each_look() -> None:
    trial = Trial(NONE, 10).has(560).at(200.0).has(0).at(400.0)
    sizes = [desired for at, desired in trial.changes if at > 200]
    assert all(after >= before // 2 for before, after in itertools.pairwise(sizes))


def test_the_last_pod_goes_a_stable_window_and_a_grace_after_the_last_input() -> None:
    trial = Trial(NONE).has(1).at(100.0).has(0).at(300.0)
    (gone, nothing) = trial.changes[-1]
    assert nothing == 0
    assert 189.0 <= gone <= 192.0


def test_a_fresh_one_that_finds_containers_keeps_them_for_a_stable_window() -> None:
    trial = Trial(NONE, follows=False)
    trial.live = 5
    trial.scaler = Scaler(NONE, trial, NOTHING_RUNS, trial._alarm)
    trial.has(1)
    assert trial.desired == 5
    trial.at(58.0)
    assert trial.desired == 5
