"""Deadlines that are all of the same length: whoever began first is due first."""

from __future__ import annotations

from motet.core.grace import Grace


def test_each_is_overdue_once_in_the_order_in_which_they_began() -> None:
    grace: Grace[str] = Grace(10.0, lambda _: None)
    grace.begin("a", 0.0)
    grace.begin("b", 1.0)
    grace.begin("c", 2.0)
    grace.end("b")
    assert list(grace.overdue(9.9)) == []
    assert list(grace.overdue(12.0)) == ["a", "c"]
    assert list(grace.overdue(99.0)) == []


def test_who_begins_again_has_all_its_time_again() -> None:
    grace: Grace[str] = Grace(10.0, lambda _: None)
    grace.begin("a", 0.0)
    grace.begin("b", 1.0)
    grace.begin("a", 5.0)
    assert list(grace.overdue(14.0)) == ["b"]
    assert list(grace.overdue(15.0)) == ["a"]


def test_the_alarm_is_set_for_the_one_that_is_due_next() -> None:
    alarms: list[float] = []
    grace: Grace[str] = Grace(10.0, alarms.append)
    grace.begin("a", 0.0)
    grace.begin("b", 4.0)
    alarms.clear()
    assert list(grace.overdue(10.0)) == ["a"]
    assert alarms == [14.0]
