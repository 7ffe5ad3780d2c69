"""Containers whose own code lowers how many inputs they take at a time."""

from __future__ import annotations

from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    deliver,
    deliver_batch,
    finished,
    function,
    limited,
    ready,
    send,
    start,
    stop,
    submit,
)


def test_a_container_gets_no_more_than_it_wants_and_more_again_when_it_wants_more(play: Playbook) -> None:
    play >> function(max_inputs=4, max_containers=1)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play >> limited(1, 2)
    play >> submit("b", 2)
    play >> finished(1, 1) << deliver(1, "b0#3") << send("a", 0)
    play >> limited(1, 3) << deliver(1, "b1#4")


def test_those_it_has_when_it_wants_fewer_stay_and_are_not_replaced(play: Playbook) -> None:
    play >> function(max_inputs=3, max_containers=1)
    play >> submit("a", 3) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3")
    play >> limited(1, 1)
    play >> submit("b")
    play >> finished(1, 1) << send("a", 0)
    play >> finished(1, 2) << send("a", 1)
    play >> finished(1, 3) << deliver(1, "b0#4") << send("a", 2)


def test_what_one_container_does_not_want_goes_to_another(play: Playbook) -> None:
    play >> function(max_inputs=4, min_containers=2, max_containers=2) << start(1) << start(2)
    play >> ready(1, 2)
    play >> limited(2, 1)
    play >> submit("a", 4) << deliver(2, "a0#1") << deliver(1, "a1#2", "a2#3", "a3#4")


def test_a_container_always_takes_one(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> finished(1, 1) << send("a", 0)
    play >> limited(1, -3)
    play >> submit("b") << deliver(1, "b0#2")


def test_inputs_that_a_container_does_not_want_have_another_started(play: Playbook) -> None:
    play >> function(max_inputs=4)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> limited(1, 1)
    play >> submit("b") << start(2)
    play >> ready(2) << deliver(2, "b0#2")


def test_batches_that_a_container_does_not_want_have_another_started(play: Playbook) -> None:
    play >> function(max_inputs=2, max_batch_size=2)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver_batch(1, "a0#1", "a1#2")
    play >> limited(1, 1)
    play >> submit("b", 2) << start(2)


def test_an_idle_container_that_wants_fewer_goes_like_any_other(play: Playbook) -> None:
    play >> function(max_inputs=4, scaledown_window=10)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> limited(1, 1)
    play >> finished(1, 1) << send("a", 0)
    play.at(10) << stop(1)
