"""Containers whose event loop does not turn: what has not begun there runs elsewhere, uncharged; nothing new goes there."""

from __future__ import annotations

from motet.model.outcome import OutcomeKind
from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    blocked,
    cancel_attempts,
    deliver,
    deliver_batch,
    ended,
    finished,
    function,
    kill,
    ready,
    resume,
    send,
    start,
    submit,
    unblocked,
)

CANCELLED, TIMED_OUT = OutcomeKind.CANCELLED, OutcomeKind.TIMED_OUT


def three_share_a_container(play: Playbook, **options: object) -> None:
    """Attempts 1 to 3, of calls a, b and c."""
    play >> function(max_inputs=4, timeout=5.0, cancellation_grace=2.0, **options)
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> submit("c")
    play >> ready(1) << deliver(1, "a0#1", "b0#2", "c0#3")


def test_what_has_not_begun_runs_elsewhere_and_what_has_goes_on(play: Playbook) -> None:
    three_share_a_container(play)
    play >> blocked(1, 2, 2) << start(2)
    play >> ready(2) << deliver(2, "b0#4", "c0#5")
    play >> finished(2, 4, 5) << send("b", 0) << send("c", 0)
    play >> finished(1, 1) << send("a", 0)


def test_its_timeout_counts_from_the_attempt_that_begins(play: Playbook) -> None:
    three_share_a_container(play)
    play.at(2.0) >> blocked(1, 1) << start(2)
    play.at(3.0) >> ready(2) << deliver(2, "b0#4", "c0#5")
    play.at(5.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)
    play.at(7.0) << kill(1)
    play.at(7.9) >> finished(2, 4, 5) << send("b", 0) << send("c", 0)


def test_nothing_new_goes_there_until_it_turns_again_and_has_let_go(play: Playbook) -> None:
    three_share_a_container(play, max_containers=1)
    play >> blocked(1, 3)
    play >> submit("d")
    play >> unblocked(1) << resume(1) << deliver(1, "d0#4")
    play >> unblocked(1)


def test_slots_of_what_was_given_back_are_taken_until_the_container_has_let_go(play: Playbook) -> None:
    three_share_a_container(play, max_containers=1)
    play >> submit("d") << deliver(1, "d0#4")
    play >> blocked(1, 1)
    play >> unblocked(1) << resume(1)
    play >> finished(1, 2, kind=CANCELLED) << deliver(1, "b0#5")
    play >> finished(1, 3, 4, kind=CANCELLED) << deliver(1, "c0#6", "d0#7")


def test_a_container_that_never_turns_again_goes_with_the_input_that_blocks_it(play: Playbook) -> None:
    three_share_a_container(play, max_containers=1)
    play >> blocked(1, 1)
    play.at(5.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)
    play.at(7.0) << kill(1)
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "b0#4", "c0#5")
    play >> finished(2, 4, 5) << send("b", 0) << send("c", 0)


def test_a_batch_that_has_not_begun_runs_elsewhere_whole(play: Playbook) -> None:
    play >> function(max_inputs=2, max_batch_size=2, wait_ms=1000)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver_batch(1, "a0#1", "a1#2")
    play >> submit("b", 2) << deliver_batch(1, "b0#3", "b1#4")
    play >> blocked(1, 1) << start(2)
    play >> ready(2) << deliver_batch(2, "b0#5", "b1#6")
    play >> finished(2, 5, 6) << send("b", 0, 1)
    play >> finished(1, 3, 4, kind=CANCELLED)
    play >> finished(1, 1, 2) << send("a", 0, 1)
