"""An allowance lets a burst through, then a rate, and forgets nothing that came in meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from motet.wire.log_allowance import BURST_SECONDS, LINE_CHARS, LogAllowance


def taken(allowance: LogAllowance, tries: int, now: float, chars: int = 10) -> int:
    return sum(allowance.take(1, chars, now) for _ in range(tries))


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    allowance = LogAllowance(100, now=0)
    assert taken(allowance, 5_000, now=0) == 100 * BURST_SECONDS
    assert taken(allowance, 5_000, now=1) == 100
    assert taken(allowance, 5_000, now=1.5) == 50


def test_no_more_than_a_burst_gathers() -> None:
    allowance = LogAllowance(100, now=0)
    taken(allowance, 5_000, now=0)
    assert taken(allowance, 5_000, now=1_000) == 100 * BURST_SECONDS


def test_long_lines_use_it_up_sooner() -> None:
    allowance = LogAllowance(100, now=0)
    assert taken(allowance, 5_000, now=0, chars=10 * LINE_CHARS) == 100 * BURST_SECONDS / 10


def test_one_line_is_let_through_however_long_it_is_and_is_paid_for_later() -> None:
    allowance = LogAllowance(100, now=0)
    all_of_it = int(100 * BURST_SECONDS * LINE_CHARS)
    assert allowance.take(1, 2 * all_of_it, 0)
    assert not allowance.take(1, 1, BURST_SECONDS)
    assert allowance.take(1, 1, BURST_SECONDS + 0.1)


def test_a_rate_of_zero_is_no_limit() -> None:
    assert taken(LogAllowance(0, now=0), 1_000, now=0, chars=1_000_000) == 1_000


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 500)), max_size=30))
def test_never_more_than_a_burst_and_the_rate_since_then(writes: list[tuple[float, int]]) -> None:
    allowance, now, passed = LogAllowance(50, now=0), 0.0, 0
    for pause, tries in writes:
        now += pause
        passed += taken(allowance, tries, now)
        assert passed <= 50 * BURST_SECONDS + 50 * now + 1
