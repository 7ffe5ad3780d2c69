"""Ray Serve's autoscaling: its look-back, its delays, its way to zero."""

from __future__ import annotations

import pytest

from motet.core.policies.ray_serve import RayServePolicy

from .trial import Trial


def test_the_constants_are_those_it_ships() -> None:
    policy = RayServePolicy()
    assert (policy.look_back, policy.metrics_interval) == (30.0, 10.0)
    assert (policy.upscale_delay, policy.downscale_delay, policy.downscale_to_zero_delay) == (30.0, 600.0, None)
    assert (policy.upscaling_factor, policy.downscaling_factor) == (1.0, 1.0)


def test_the_first_replica_starts_without_delay_and_the_next_after_thirty_seconds() -> None:
    trial = Trial(RayServePolicy(), 2).at(1.0).has(8).at(100.0)
    assert trial.changes[:2] == [(0.0, 0), (1.0, 1)]
    at, _ = trial.changes[2]
    assert 31.0 <= at <= 51.0  # the delay begins with the report that shows the load
    assert trial.desired == 4


def test_while_no_replica_is_ready_it_stays_at_one() -> None:
    trial = Trial(RayServePolicy(), follows=False).has(50)
    trial.live = trial.starting = 1
    trial.at(90.0)
    assert trial.desired == 1


def test_a_peak_shorter_than_the_delay_changes_nothing() -> None:
    trial = Trial(RayServePolicy(downscale_delay=10_000.0)).has(1).at(100.0).has(5).at(110.0).has(1).at(300.0)
    assert trial.changes == [(0.0, 0), (0.0, 1)]


def test_it_shrinks_after_ten_minutes_and_leaves_one_for_ten_more() -> None:
    trial = Trial(RayServePolicy()).has(4).at(100.0)
    assert trial.desired == 4
    trial.has(0).at(2000.0)
    # The report at 110 s is the first that shows less than 4; by the end of the delay it is nothing.
    assert trial.changes[-2:] == [(710.0, 1), (1310.0, 0)]


def test_the_way_to_zero_may_have_a_delay_of_its_own() -> None:
    policy = RayServePolicy(downscale_delay=60.0, downscale_to_zero_delay=5.0)
    trial = Trial(policy).has(1).at(40.0).has(0).at(300.0)
    assert trial.desired == 0
    assert trial.changes[-1][0] <= 40.0 + 30.0 + 10.0 + 5.0 + 10.0


@pytest.mark.parametrize(("factor", "first"), [(1.0, 10), (0.5, 6), (0.3, 4)])
def test_a_factor_smooths_each_step_up(factor: float, first: int) -> None:
    trial = Trial(RayServePolicy(upscaling_factor=factor)).at(0.0).has(10).at(39.0)
    trial.at(42.0)
    sizes = [desired for _, desired in trial.changes if desired > 1]
    assert sizes[0] == first


def test_a_small_factor_still_shrinks_by_one() -> None:
    policy = RayServePolicy(downscale_delay=10.0, downscaling_factor=0.1)
    trial = Trial(policy).has(3).at(100.0).has(2).at(200.0)
    assert trial.desired == 2


def test_what_it_wants_stays_within_the_bounds_so_that_nothing_is_owed_later() -> None:
    trial = Trial(RayServePolicy(), max_containers=3, min_containers=2).has(100).at(200.0)
    assert trial.desired == trial.decision.decision.desired == 3
    trial.has(0).at(3000.0)
    assert trial.desired == trial.decision.decision.desired == 2
