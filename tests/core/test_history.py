"""What policies look back on: the demand on its grid of seconds, and the rate at which inputs come."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.core.arrivals import Arrivals
from motet.core.history import History


def test_an_average_is_weighted_by_time() -> None:
    history = History(60.0)
    history.record(4, 0.0)
    history.record(0, 2.5)
    history.record(10, 7.5)
    assert history.average(60.0, 10.0) == pytest.approx((4 * 2.5 + 10 * 2.5) / 10)


def test_a_window_that_began_later_is_averaged_over_what_there_is() -> None:
    history = History(60.0)
    assert history.average(60.0, 5.0) == 0.0
    history.record(3, 100.0)
    assert history.average(60.0, 100.0) == 3.0
    assert history.average(60.0, 101.5) == pytest.approx(3.0)


def test_what_lies_before_the_window_is_forgotten() -> None:
    history = History(10.0)
    history.record(1000, 0.0)
    history.record(2, 50.0)
    assert history.average(10.0, 70.0) == pytest.approx(2.0)
    assert history.average(10.0, 1e6) == pytest.approx(2.0)


@given(
    steps=st.lists(st.tuples(st.floats(0.01, 30.0), st.integers(0, 20)), min_size=1, max_size=30),
    window=st.sampled_from([1.0, 6.0, 30.0, 60.0]),
)
def test_the_average_is_what_an_integral_over_the_window_gives(steps: list[tuple[float, int]], window: float) -> None:
    history, now = History(60.0), 0.0
    levels: list[tuple[float, int]] = []
    for pause, level in steps:
        levels.append((now, level))
        history.record(level, now)
        now += pause
    begin = max(0.0, math.floor(now - window) + 1)  # whole seconds, and the present one
    ends = [*(at for at, _ in levels[1:]), now]
    area = sum(level * max(0.0, end - max(at, begin)) for (at, level), end in zip(levels, ends, strict=True))
    if now > begin:
        assert history.average(window, now) == pytest.approx(area / (now - begin), abs=1e-6)


def test_a_steady_stream_has_its_rate_and_one_that_ended_has_none() -> None:
    arrivals = Arrivals(2.0)
    assert arrivals.rate(0.0) == 0.0
    for tenth in range(200):
        arrivals.came(3, tenth / 10)
    assert arrivals.rate(20.0) == pytest.approx(30.0, rel=0.05)
    assert arrivals.rate(22.0) == pytest.approx(30.0 / math.e, rel=0.05)
    assert arrivals.rate(200.0) == pytest.approx(0.0, abs=1e-6)


def test_what_comes_at_this_very_moment_is_not_usual() -> None:
    arrivals = Arrivals(2.0)
    arrivals.came(1, 10.0)
    arrivals.came(4, 11.0)
    arrivals.came(4, 11.0)
    assert arrivals.usual(11.0) == pytest.approx(0.5 * math.exp(-0.5))
    assert arrivals.usual(12.0) == arrivals.rate(12.0) > 2.0
