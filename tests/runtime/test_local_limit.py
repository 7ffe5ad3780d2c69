"""Whose turn it is in a container that wants fewer inputs than it has."""

from __future__ import annotations

from motet.runtime.local_limit import LocalLimit


def test_without_a_lower_limit_nobody_is_asked() -> None:
    limit = LocalLimit(4)
    assert not limit.was_lowered
    limit.change(9, held=4)
    assert (limit.value, limit.was_lowered) == (4, False)


def test_of_those_delivered_together_only_as_many_begin_as_the_first_one_wants() -> None:
    limit = LocalLimit(6)
    limit.change(3, held=6)  # by attempt 1; the others have not begun
    turns = [limit.turn_of(attempt, 6) for attempt in range(2, 7)]
    assert [turn is not None for turn in turns] == [True, True, True, False, False]
    assert limit.running(6) == 3


def test_who_waits_begins_when_others_have_ended_in_order() -> None:
    limit = LocalLimit(4)
    limit.change(1, held=1)
    first, second = limit.turn_of(2, 3), limit.turn_of(3, 3)
    assert first is not None
    assert second is not None
    limit.look(2)
    assert (first.is_set, second.is_set) == (True, False)
    limit.look(1)
    assert second.is_set


def test_a_higher_limit_lets_more_begin() -> None:
    limit = LocalLimit(4)
    limit.change(1, held=1)
    turns = [limit.turn_of(attempt, 4) for attempt in (2, 3, 4)]
    limit.change(3, held=4)
    assert [turn is not None and turn.is_set for turn in turns] == [True, True, False]


def test_a_cancelled_one_waits_no_more_and_counts_as_running_until_it_ends() -> None:
    limit = LocalLimit(4)
    limit.change(1, held=1)
    turn = limit.turn_of(2, 2)
    assert turn is not None
    limit.give_up(2)
    limit.give_up(2)
    assert turn.is_set
    assert limit.running(2) == 2
