from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import motet
from motet.exception import InvalidError
from motet.model.retries import RetryPolicy


def test_defaults_are_exponential() -> None:
    policy = motet.Retries(max_retries=4).policy
    assert policy == RetryPolicy(max_retries=4, backoff_coefficient=2.0, initial_delay=1.0, max_delay=60.0)
    assert [policy.delay_before(n) for n in (1, 2, 3)] == [1.0, 2.0, 4.0]


def test_delays_may_be_timedeltas() -> None:
    retries = motet.Retries(max_retries=1, initial_delay=timedelta(milliseconds=500), max_delay=timedelta(minutes=1))
    assert (retries.policy.initial_delay, retries.policy.max_delay) == (0.5, 60.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_retries": -1}, "Invalid retries number: -1. Function retries must be non-negative."),
        ({"max_delay": 61}, "Invalid max_delay argument: 61.0. Must be between 1-60 seconds."),
        ({"max_delay": 0.5}, "Invalid max_delay argument: 0.5. Must be between 1-60 seconds."),
        ({"initial_delay": -1}, "Invalid initial_delay argument: -1.0. Must be between 0-60 seconds."),
        (
            {"initial_delay": timedelta(minutes=2)},
            "Invalid initial_delay argument: 120.0. Must be between 0-60 seconds.",
        ),
        ({"backoff_coefficient": 11}, "Coefficient must be between 1.0 (fixed-interval backoff) and 10.0"),
        ({"backoff_coefficient": 0.5}, "Coefficient must be between 1.0 (fixed-interval backoff) and 10.0"),
        ({"max_retries": 1.5}, "Invalid retries number: 1.5. It must be an integer."),
        ({"max_retries": True}, "Invalid retries number: True. It must be an integer."),
        ({"initial_delay": "1"}, "Invalid initial_delay argument: '1'. It must be a number, not str."),
        ({"max_delay": float("nan")}, "Invalid max_delay argument: nan."),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.Retries(**{"max_retries": 1, **arguments})
    assert message in str(caught.value)


def test_repr_shows_the_policy() -> None:
    assert repr(motet.Retries(max_retries=1)) == (
        "Retries(max_retries=1, backoff_coefficient=2.0, initial_delay=1.0, max_delay=60.0)"
    )
