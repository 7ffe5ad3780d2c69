from __future__ import annotations

import statistics
from random import Random

import pytest

from motet.errors import InvalidError
from motet.simulation.distribution import Distribution


@pytest.mark.parametrize(
    ("text", "variation"),
    [("3", 0.0), ("exponential:3", 1.0), ("lognormal:3:0.5", 0.5), ("lognormal:3", 1.0), ("pareto:3:4", 0.354)],
)
def test_values_have_the_mean_and_the_variation_that_were_asked_for(text: str, variation: float) -> None:
    draw = Distribution.parse(text).drawn_by(Random(1))
    values = [draw() for _ in range(50_000)]
    mean = statistics.fmean(values)
    assert mean == pytest.approx(3.0, rel=0.02)
    assert statistics.pstdev(values) / mean == pytest.approx(variation, rel=0.1)
    assert min(values) >= 0


@pytest.mark.parametrize("text", ["0", "exponential:0", "lognormal:0:1", "pareto:0:2"])
def test_nothing_may_take_no_time(text: str) -> None:
    assert Distribution.parse(text).drawn_by(Random(1))() == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("abc", "'abc' is not a duration"),
        ("", "is not a duration"),
        ("-1", "0 or more"),
        ("nan", "0 or more"),
        ("inf", "0 or more"),
        ("normal:1", "unknown distribution 'normal'"),
        ("exponential:1:2", "is not a duration"),
        ("lognormal:1:0", "more than 0, got 0"),
        ("pareto:1:1", "more than 1, got 1"),
        ("1:2:3", "is not a duration"),
    ],
)
def test_what_is_no_duration_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidError, match=complaint):
        Distribution.parse(text)
