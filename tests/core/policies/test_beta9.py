"""beta9's queue-depth autoscaler: one sample, a tick, a trigger, keep-warm."""

from __future__ import annotations

import pytest

from motet.core.policies.beta9 import Beta9Policy

from .trial import Trial


def test_the_constants_are_those_it_ships() -> None:
    policy = Beta9Policy()
    assert (policy.tick, policy.keep_warm) == (1.0, 180.0)


@pytest.mark.parametrize(("target", "inputs", "desired"), [(1, 0, 0), (1, 7, 7), (4, 7, 2), (4, 8, 2), (4, 9, 3)])
def test_it_wants_containers_for_what_is_in_flight(target: int, inputs: int, desired: int) -> None:
    assert Trial(Beta9Policy(), target).has(inputs).desired == desired


def test_more_inputs_are_seen_at_once_and_fewer_at_the_next_tick() -> None:
    trial = Trial(Beta9Policy()).at(0.3).has(2).at(0.5).has(5).at(0.9).has(1).at(5.0)
    assert trial.changes == [(0.0, 0), (0.3, 2), (0.5, 5), (1.5, 1)]


def test_idle_containers_stay_for_keep_warm_whatever_the_window() -> None:
    assert Trial(Beta9Policy(), scaledown_window=7.0).has(1).decision.idle_window == 180.0


def test_the_gateways_cap_holds_where_it_is_set() -> None:
    assert Trial(Beta9Policy(max_replicas=10)).has(50).desired == 10


def test_it_sleeps_when_there_is_nothing() -> None:
    trial = Trial(Beta9Policy()).has(1).at(3.0).has(0).at(100.0)
    assert trial.desired == 0
    assert len(trial.asked) <= 5
