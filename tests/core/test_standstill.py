"""Time that did not pass for inputs: their container was frozen, or everything stood still."""

from __future__ import annotations

import math

import pytest

from motet.core import events as e
from motet.core.host import HostLimits
from motet.model.outcome import OutcomeKind
from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    cancel_attempts,
    container_id,
    deliver,
    deliver_batch,
    finished,
    frozen,
    function,
    ready,
    send,
    start,
    submit,
    thawed,
)

TIMED_OUT = OutcomeKind.TIMED_OUT


def one_runs(play: Playbook, **options: object) -> None:
    play >> function(max_inputs=2, **options)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")


def stood_still(container: int, seconds: float) -> e.ContainerStoodStill:
    return e.ContainerStoodStill(container_id(container), seconds)


def test_a_frozen_containers_inputs_have_the_time_that_they_were_frozen() -> None:
    with Playbook(limits=HostLimits(freeze_grace=60.0)) as play:
        one_runs(play, timeout=5.0)
        play.at(3.0) >> frozen(1)
        play.at(23.0) >> thawed(1)
        play.at(24.9)
        play.at(25.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)


def test_a_batch_in_a_frozen_container_has_it_too() -> None:
    with Playbook(limits=HostLimits(freeze_grace=60.0)) as play:
        play >> function(max_batch_size=2, timeout=5.0)
        play >> submit("a", 2) << start(1)
        play >> ready(1) << deliver_batch(1, "a0#1", "a1#2")
        play.at(3.0) >> frozen(1)
        play.at(23.0) >> thawed(1)
        play.at(24.9) >> finished(1, 1, 2) << send("a", 0, 1)


def test_where_a_container_stood_still_with_the_server_deadlines_are_moved_and_others_are_not(play: Playbook) -> None:
    one_runs(play, timeout=5.0)
    play.at(1.0) >> submit("b") << deliver(1, "b0#2")
    play >> submit("c") << start(2)
    play >> ready(2) << deliver(2, "c0#3")
    play.at(4.0) >> stood_still(1, 2.5)
    play.at(6.0) << cancel_attempts(2, 3) << send("c", 0, kind=TIMED_OUT)
    play.at(7.0) >> submit("d") << deliver(2, "d0#4")
    play.at(7.5) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)
    play.at(8.5) << cancel_attempts(1, 2) << send("b", 0, kind=TIMED_OUT)
    play.at(12.0) << cancel_attempts(2, 4) << send("d", 0, kind=TIMED_OUT)


@pytest.mark.parametrize("first", ["the answer", "the thawing"])
def test_what_a_container_was_frozen_counts_once_though_it_says_so_itself(first: str) -> None:
    with Playbook(limits=HostLimits(freeze_grace=60.0)) as play:
        one_runs(play, timeout=5.0)
        play.at(2.0) >> frozen(1)  # reported a second late
        for event in [stood_still(1, 10.0), thawed(1)] if first == "the answer" else [thawed(1), stood_still(1, 10.0)]:
            play.at(11.0) >> event
        play.at(15.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)


def test_a_standstill_counts_though_it_is_taken_for_the_beginning_of_a_freeze() -> None:
    with Playbook(limits=HostLimits(freeze_grace=60.0)) as play:
        one_runs(play, timeout=5.0)
        play.at(4.0) >> frozen(1)
        play >> stood_still(1, 3.0)
        play.at(4.1) >> thawed(1)
        play.at(8.0) >> finished(1, 1) << send("a", 0)


def test_inputs_that_waited_while_the_server_stood_still_may_wait_that_much_longer(play: Playbook) -> None:
    play >> function(max_containers=1, queue_timeout=5.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b")
    play.at(4.0) >> e.ServerStoodStill(3.0)
    play.at(6.0) >> submit("c")
    play.at(8.0) << send("b", 0, kind=TIMED_OUT)
    play.at(11.0) << send("c", 0, kind=TIMED_OUT)


def test_an_input_that_came_after_a_standstill_has_its_whole_time(play: Playbook) -> None:
    due = 0.1 + 3.0  # of which (due + 0.7) - 0.7 is the next smaller number
    play >> function(max_containers=1, queue_timeout=3.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(0.05) >> e.ServerStoodStill(0.7)
    play.at(0.1) >> submit("b")
    play.at(math.nextafter(due, 0.0)) >> e.TimerFired()
    play.at(due) << send("b", 0, kind=TIMED_OUT)
