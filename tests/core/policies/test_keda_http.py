"""KEDA's HTTP add-on: activation, the horizontal pod autoscaler's looks, and the cooldown."""

from __future__ import annotations

import pytest

from motet.core.policies.keda_http import KedaHttpPolicy

from .trial import Trial


def test_the_constants_are_those_they_ship() -> None:
    policy = KedaHttpPolicy()
    assert (policy.period, policy.tolerance, policy.most_more, policy.most_times) == (15.0, 0.1, 4, 2.0)
    assert (policy.stabilisation, policy.cooldown) == (300.0, 300.0)


def test_the_first_request_activates_one_and_the_next_look_wants_more() -> None:
    trial = Trial(KedaHttpPolicy(), 10).at(2.0).has(30).at(20.0)
    assert trial.changes == [(0.0, 0), (2.0, 1), (17.0, 3)]


def test_it_grows_by_four_or_to_twice_as_many_with_each_look() -> None:
    trial = Trial(KedaHttpPolicy()).has(100).at(100.0)
    assert trial.changes[1:] == [(0.0, 1), (15.0, 5), (30.0, 10), (45.0, 20), (60.0, 40), (75.0, 80), (90.0, 100)]


@pytest.mark.parametrize(("inputs", "desired"), [(100, 10), (109, 10), (112, 12), (91, 10), (90, 10)])
def test_within_a_tenth_of_the_target_nothing_changes(inputs: int, desired: int) -> None:
    trial = Trial(KedaHttpPolicy(), 10).has(100).at(100.0)
    assert trial.desired == 10
    assert trial.has(inputs).at(120.0).desired == desired


def test_it_shrinks_to_the_most_that_was_wanted_within_five_minutes() -> None:
    trial = Trial(KedaHttpPolicy(), 10).has(100).at(100.0).has(20).at(1000.0)
    assert trial.changes[-1][1] == 2
    assert 395.0 <= trial.changes[-1][0] <= 405.0


def test_nothing_is_left_when_nothing_was_there_for_the_cooldown() -> None:
    trial = Trial(KedaHttpPolicy(), 10).has(5).at(50.0).has(0).at(1000.0)
    gone, nothing = trial.changes[-1]
    assert nothing == 0
    assert 349.0 <= gone <= 365.0
    assert len(trial.asked) < 30


def test_one_request_starts_the_cooldown_again() -> None:
    trial = Trial(KedaHttpPolicy(), 10).has(5).at(50.0).has(0).at(300.0).has(1).at(301.0).has(0).at(590.0)
    assert trial.desired == 1
