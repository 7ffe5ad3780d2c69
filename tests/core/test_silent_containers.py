"""Containers that do not answer: they are given nothing until they do, and keep what they run."""

from __future__ import annotations

from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    blocked,
    deliver,
    ended,
    finished,
    function,
    heard,
    kill,
    ready,
    resume,
    send,
    silent,
    start,
    submit,
    unblocked,
)


def one_running(play: Playbook, **options: object) -> None:
    """Input a0 runs in container 1, which has room for another."""
    play >> function(**{"max_inputs": 2, "max_containers": 1, **options})
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")


def state(play: Playbook) -> str:
    (container,) = play.engine.inspection.view("fu-f", play.now).containers
    return container.state


def test_a_silent_container_gets_nothing_new_and_keeps_what_it_runs(play: Playbook) -> None:
    one_running(play)
    play >> silent(1)
    play >> submit("b")
    assert state(play) == "silent (it has not answered for 15 s)"
    play >> finished(1, 1) << send("a", 0)
    play >> heard(1) << deliver(1, "b0#2")
    assert state(play) == "ready"


def test_another_container_is_started_beside_it_for_those_that_wait(play: Playbook) -> None:
    one_running(play, max_containers=2)
    play >> silent(1)
    play >> submit("b") << start(2)
    play >> ready(2) << deliver(2, "b0#2")


def test_one_that_is_silent_for_long_goes_when_it_holds_nothing_and_not_before(play: Playbook) -> None:
    one_running(play)
    play >> silent(1)
    play >> silent(1, "has not answered for 60 s", lost=True)
    play >> finished(1, 1) << send("a", 0)
    play >> silent(1, "has not answered for 65 s", lost=True) << kill(1)
    play >> submit("b")
    play >> ended(1) << start(2)


def test_one_that_is_blocked_as_well_gets_nothing_before_both_are_over(play: Playbook) -> None:
    one_running(play)
    play >> blocked(1, 1)
    play >> silent(1)
    play >> submit("b")
    play >> unblocked(1) << resume(1)
    play >> heard(1) << deliver(1, "b0#2")


def test_one_that_falls_silent_while_it_starts_is_given_nothing_when_it_is_ready(play: Playbook) -> None:
    play >> function(max_containers=1)
    play >> submit("a") << start(1)
    play >> silent(1)
    play >> ready(1)
    play >> heard(1) << deliver(1, "a0#1")


def test_hearing_of_one_that_was_never_silent_or_is_gone_changes_nothing(play: Playbook) -> None:
    one_running(play)
    play >> heard(1)
    play >> heard(9)
    play >> silent(9)
