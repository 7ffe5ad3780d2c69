"""Whether a load repeats, and what it will call for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.core.repetition import MEMORY, SHORTEST, Expected, Repetition, period_of


def seen(level: Callable[[float], int], until: float, every: float = 0.5) -> Repetition:
    """A load that calls for so many containers at each moment; it is counted when it calls for any."""
    repetition = Repetition(1.0)
    for number in range(int(until / every)):
        if containers := level(number * every):
            repetition.count(containers, 1, number * every)
    return repetition


def wave(moment: float) -> int:
    """Five containers for ten seconds of every minute."""
    return 5 if moment % 60 < 10 else 0


@pytest.mark.parametrize("period", [SHORTEST, 25, 100])
@pytest.mark.parametrize("high", [2, 8])
def test_a_period_is_found_once_it_has_come_three_times(period: int, high: int) -> None:
    levels = [4.0 if step % period < high else 1.0 for step in range(3 * period + high)]
    assert period_of(levels[: 2 * period]) is None
    assert period_of([*levels, 1.0, 1.0, 1.0]) == period


@pytest.mark.parametrize(
    "levels",
    [
        [],
        [3.0] * 200,
        [float(step) for step in range(200)],
        [1.0] * 100 + [9.0] * 100,
        [float(step % 4) for step in range(200)],  # shorter than what is looked for, and its multiples are no periods
    ],
)
def test_what_does_not_repeat_has_no_period(levels: list[float]) -> None:
    assert period_of(levels) is None


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(50, MEMORY), mean=st.sampled_from([0.5, 3.0, 30.0]))
def test_independent_levels_have_no_period(seed: int, steps: int, mean: float) -> None:
    dice = Random(seed)
    assert period_of([dice.gauss(mean, mean**0.5) for _ in range(steps)]) is None


def test_a_wave_is_expected_a_start_before_it_comes() -> None:
    repetition = seen(wave, 251.0)
    quiet = repetition.expected(2.0, 255.0)
    assert quiet is not None
    assert (quiet.period, quiet.containers) == (60.0, 0)
    assert quiet.again_at == pytest.approx(297.0)  # a step earlier, as periods are not exact, and the time of a start
    assert repetition.expected(2.0, 297.1) == Expected(60.0, 5, pytest.approx(300.0))


def test_what_lasts_is_not_expected_again() -> None:
    """Those that come now speak for themselves."""
    repetition = seen(wave, 305.0)
    expected = repetition.expected(2.0, 305.0)
    assert expected is not None
    assert expected.containers == 0


def test_a_load_that_stops_is_expected_once_more_and_then_forgotten() -> None:
    repetition = seen(lambda moment: wave(moment) if moment < 300 else 0, 400.0)
    now, found = 255.0, []
    while (expected := repetition.expected(2.0, now)) is not None:
        if expected.containers:
            found.append(round(now))
        now = expected.again_at
    assert found == [297]
    assert now < 500.0


def test_a_pause_longer_than_what_is_remembered_begins_anew() -> None:
    repetition = seen(wave, 251.0)
    repetition.count(5, 1, 251.0 + 2 * MEMORY)
    assert repetition.expected(2.0, 251.0 + 2 * MEMORY) is None


@settings(max_examples=50, deadline=None)
@given(moments=st.lists(st.floats(0.0, 5_000.0), max_size=60), ahead=st.floats(0.1, 10.0))
def test_it_is_asked_again_later_whatever_comes(moments: list[float], ahead: float) -> None:
    repetition = Repetition(0.5)
    for moment in sorted(moments):
        repetition.count(3, 1, moment)
        expected = repetition.expected(ahead, moment)
        assert expected is None or (expected.again_at > moment and 0 <= expected.containers <= 3)
