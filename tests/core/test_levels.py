"""How many containers inputs found taken, of late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.core.levels import EXACT, Levels


@pytest.mark.parametrize(
    ("counts", "share", "level"),
    [
        ({}, 0.01, 0),
        ({3: 1}, 0.01, 3),
        ({3: 99, 7: 1}, 0.02, 3),
        ({3: 99, 7: 1}, 0.005, 7),
        ({1: 50, 2: 50}, 0.4, 2),
        ({0: 100}, 0.01, 0),
    ],
)
def test_it_says_what_was_enough_for_all_but_a_share(counts: dict[int, int], share: float, level: int) -> None:
    levels = Levels(10.0)
    for number, times in counts.items():
        levels.count(number, times, 0.0)
    assert levels.above_all_but(share) == level


def test_what_is_long_ago_counts_little() -> None:
    levels = Levels(10.0)
    levels.count(50, 1000, 0.0)
    for second in range(100):
        levels.count(2, 10, float(second))
    assert levels.above_all_but(0.01) == 2


def test_nothing_is_forgotten_while_nothing_comes() -> None:
    levels = Levels(10.0)
    levels.count(5, 1000, 0.0)
    levels.count(2, 1, 0.1)
    assert levels.above_all_but(0.01) == 5


def test_it_goes_on_for_ever() -> None:
    levels = Levels(1.0)
    for day in range(1000):
        levels.count(day % 7, 5, day * 86_400.0)
    assert levels.above_all_but(0.01) == 999 % 7


@given(level=st.integers(0, 10_000))
def test_a_large_number_is_rounded_up_by_a_twentieth_at_most(level: int) -> None:
    levels = Levels(10.0)
    levels.count(level, 100, 0.0)
    found = levels.above_all_but(0.01)
    assert found == level if level < EXACT else level - 1 <= found <= level * 1.05 + 1
