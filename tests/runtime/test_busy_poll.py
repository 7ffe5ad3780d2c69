"""A container stays awake between calls that follow each other closely, and only then."""

from __future__ import annotations

from motet.runtime.busy_poll import LONGEST, BusyPoll


def test_the_first_wait_is_asleep() -> None:
    assert BusyPoll().begin(10.0) == 10.0


def test_after_a_short_wait_the_next_begins_awake_for_a_bounded_time() -> None:
    poll = BusyPoll()
    poll.begin(10.0)
    poll.end(10.0 + LONGEST / 2)
    assert poll.begin(20.0) == 20.0 + LONGEST


def test_after_a_long_wait_the_next_is_asleep_again() -> None:
    poll = BusyPoll()
    poll.begin(10.0)
    poll.end(10.0 + LONGEST / 2)
    poll.begin(20.0)
    poll.end(20.0 + 2 * LONGEST)
    assert poll.begin(30.0) == 30.0
