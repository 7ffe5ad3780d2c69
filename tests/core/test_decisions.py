"""Every change of a pool's size is reported with its reason and numbers; nothing else is."""

from __future__ import annotations

import pytest

from motet.core.commands import ReportDecision
from motet.core.events import Event
from motet.testing.playbook import Playbook
from motet.testing.transcript import ended, finished, function, ready, submit

Report = tuple[int, int, int, int, int, str]


@pytest.fixture
def play() -> Playbook:
    return Playbook(decisions=True)


def reports(play: Playbook, *events: Event | list[Event], at: float = 0.0) -> list[Report]:
    """Desired, live and starting containers, waiting and running inputs, and the reason, of what is reported of these
    events; or, without any, of the time until `at`."""
    play.take()
    play.at(max(at, play.now))
    if events:
        play >> [one for event in events for one in (event if isinstance(event, list) else [event])]
    return [
        (it.desired, it.live, it.starting, it.waiting_inputs, it.running_inputs, it.reason)
        for it in play.take()
        if isinstance(it, ReportDecision)
    ]


def test_each_change_of_size_is_reported_with_its_numbers(play: Playbook) -> None:
    assert reports(play, function(max_inputs=2, scaledown_window=60.0)) == []
    assert reports(play, submit("a", 3)) == [(2, 0, 0, 3, 0, "3 inputs at 2 each want 2")]
    assert reports(play, submit("b", 2)) == [(3, 2, 2, 5, 0, "5 inputs at 2 each want 3")]
    assert reports(play, ready(1), ready(2), ready(3)) == []
    assert reports(play, finished(3, 1, 2), finished(2, 3, 4), finished(1, 5)) == [], "they stay for their window"
    assert reports(play, at=60.0) == [(0, 3, 0, 0, 0, "0 inputs at 2 each want 0")]
    assert reports(play, submit("c")) == [(1, 0, 0, 1, 0, "1 input at 2 each wants 1")]


def test_inputs_that_change_nothing_are_not_reported(play: Playbook) -> None:
    assert [report[0] for report in reports(play, function(max_inputs=2, min_containers=1))] == [1]
    assert reports(play, ready(1)) == []
    for number in range(1, 100):
        assert reports(play, submit(f"a{number}")) == []
        assert reports(play, finished(1, number)) == []


def test_a_container_in_place_of_one_that_died_is_reported(play: Playbook) -> None:
    reports(play, function(), submit("a"))
    reports(play, ready(1))
    assert [report[:5] for report in reports(play, ended(1))] == [(1, 0, 0, 1, 0)]


def test_containers_that_wait_for_a_device_are_reported_once(play: Playbook) -> None:
    reports(play, function(gpu=["H100"]))
    assert len(reports(play, submit("a"))) == 1
    for number in range(10):
        assert reports(play, submit(f"b{number}"), at=play.now + 1.0) == []
