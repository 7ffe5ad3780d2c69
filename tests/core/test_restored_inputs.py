"""A server takes over from one that was killed: spawned inputs that had been kept go on, each to one outcome."""

from __future__ import annotations

import pytest

from motet.core import commands as c
from motet.core import events as e
from motet.core.earlier_attempts import RESUBMIT_GRACE
from motet.model.outcome import BEGUN, CallKind, OutcomeKind, RestoredInput
from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    PAYLOAD,
    blocked,
    cancel,
    cancel_attempts,
    deliver,
    finished,
    function,
    ready,
    resume,
    resumed,
    save,
    start,
    submit,
    unblocked,
)

THERE = 91
"""A container that a server before this one had started."""


def restored(call: str, *indices: int, at: float = 0.0, once: bool = False, **been_through: float) -> e.InputsRestored:
    inputs = [RestoredInput(index, PAYLOAD, at, **been_through) for index in indices or (0,)]  # type: ignore[arg-type]
    return e.InputsRestored(f"fc-{call}", "fu-f", "", inputs, 1, at_most_once=once)


def test_an_input_that_waited_runs(play: Playbook) -> None:
    play >> function()
    play >> restored("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> finished(1, 1) << save("a", 0)


def test_one_that_runs_is_joined(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> restored("a")
    play.at(RESUBMIT_GRACE)
    play >> finished(THERE, 7) << save("a", 0)


def test_one_that_has_ended_has_its_outcome(play: Playbook) -> None:
    play >> [function(), resumed(THERE, ended=["a0#7"])]
    play >> restored("a") << save("a", 0)


def test_its_client_may_add_to_its_call(play: Playbook) -> None:
    play >> [function(max_inputs=2), resumed(THERE)]
    play >> restored("a") << deliver(THERE, "a0#1")
    play >> submit("a", first=1, kind=CallKind.SPAWNED) << deliver(THERE, "a1#2")
    play >> finished(THERE, 1, 2) << save("a", 0, 1)


def test_it_can_be_cancelled(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> restored("a")
    play >> cancel("a") << [cancel_attempts(THERE, 7), save("a", 0, kind=OutcomeKind.CANCELLED, unwanted=True)]


def test_retries_go_on_and_wait_for_their_moment(play: Playbook) -> None:
    play >> [function(retries=2), resumed(THERE)]
    play >> restored("a", attempts=2, retries=1, due_at=5.0, last_attempt=6)
    play.at(5.0) << deliver(THERE, "a0#1")
    play >> finished(THERE, 1, kind=OutcomeKind.FAILURE) << c.SaveTries("fc-a", 0, 3, 2, 0, 6.0, 1)
    play.at(6.0) << deliver(THERE, "a0#2")
    play >> finished(THERE, 2, kind=OutcomeKind.FAILURE) << save("a", 0, kind=OutcomeKind.FAILURE)


def test_a_retry_waits_no_longer_than_the_policy_has_it_though_the_wall_clock_was_set_back(play: Playbook) -> None:
    play >> [function(retries=2), resumed(THERE)]
    play >> restored("a", attempts=1, retries=1, due_at=3600.0)
    play.at(60.0) << deliver(THERE, "a0#1")
    play >> finished(THERE, 1) << save("a", 0)


def test_an_end_that_led_to_a_retry_is_not_charged_twice(play: Playbook) -> None:
    play >> [function(retries=1), resumed(THERE, ended=["a0#7"])]
    play >> restored("a", attempts=1, retries=1, last_attempt=7) << deliver(THERE, "a0#1")
    play >> finished(THERE, 1) << save("a", 0)


def test_an_attempt_that_was_given_up_for_a_retry_is_let_go(play: Playbook) -> None:
    play >> [function(retries=1, max_inputs=2), resumed(THERE, "a0#7")]
    play >> restored("a", attempts=1, retries=1, last_attempt=7) << [cancel_attempts(THERE, 7), deliver(THERE, "a0#1")]
    play >> finished(THERE, 1) << save("a", 0)


def test_a_later_attempt_than_the_one_that_was_kept_is_joined(play: Playbook) -> None:
    play >> [function(retries=1), resumed(THERE, "a0#8")]
    play >> restored("a", attempts=1, retries=1, last_attempt=7)
    play >> finished(THERE, 8, kind=OutcomeKind.FAILURE) << save("a", 0, kind=OutcomeKind.FAILURE)


def test_one_that_may_not_run_twice_is_lost_unless_it_runs(play: Playbook) -> None:
    """That its function wants that is known only now: its deliveries were not kept."""
    play >> [function(max_inputs=2), resumed(THERE, "a0#7")]
    play >> restored("a", 0, 1, once=True) << save("a", 1, kind=OutcomeKind.LOST)
    play >> finished(THERE, 7) << save("a", 0)


def once(**more: int) -> e.FunctionAdded:
    return function(delivery="at_most_once", **more)


def begins(call: str, attempt: int) -> c.SaveTries:
    return c.SaveTries(f"fc-{call}", 0, 1, 0, 0, 0.0, attempt, begins=True)


def test_of_one_that_may_not_run_twice_each_delivery_is_kept_first(play: Playbook) -> None:
    play >> [once(), resumed(THERE)]
    play >> submit("a", kind=CallKind.SPAWNED) << [begins("a", 1), deliver(THERE, "a0#1")]
    play >> finished(THERE, 1) << save("a", 0)
    play >> submit("b") << deliver(THERE, "b0#2")


def test_one_that_may_not_run_twice_and_was_not_delivered_runs(play: Playbook) -> None:
    play >> [once(), resumed(THERE)]
    play >> restored("a") << [begins("a", 1), deliver(THERE, "a0#1")]
    play >> finished(THERE, 1) << save("a", 0)


def test_one_that_may_not_run_twice_and_was_delivered_is_lost_unless_it_runs(play: Playbook) -> None:
    play >> [once(max_inputs=2), resumed(THERE, "a0#7")]
    play >> restored("a", attempts=1, due_at=BEGUN, last_attempt=7)
    play >> restored("b", attempts=1, due_at=BEGUN, last_attempt=8) << save("b", 0, kind=OutcomeKind.LOST)
    play >> finished(THERE, 7) << save("a", 0)


def test_a_first_attempt_that_is_joined_and_given_back_is_followed_by_the_second(play: Playbook) -> None:
    """What was kept of it before it was delivered counts it already."""
    play >> [once(max_containers=1, max_inputs=2), resumed(THERE, "a0#7")]
    play >> restored("a", attempts=1, due_at=BEGUN, last_attempt=7)
    play >> blocked(THERE, 0)
    play >> finished(THERE, 7, kind=OutcomeKind.CANCELLED)
    (
        play
        >> unblocked(THERE)
        << [resume(THERE), c.SaveTries("fc-a", 0, 2, 0, 0, 0.0, 1, begins=True), deliver(THERE, "a0#1")]
    )
    item = play.engine.state.calls.find("in-a-0")
    assert item is not None
    assert item.again is not None
    assert (item.again.number, item.again.why, item.again.cause) == (2, "redelivered", "container blocked")


def test_one_that_may_not_run_twice_and_was_to_be_retried_is(play: Playbook) -> None:
    """Its code has said that it failed."""
    play >> [once(retries=1), resumed(THERE)]
    play >> restored("a", attempts=1, retries=1, due_at=1.0, last_attempt=7)
    play.at(1.0) << [c.SaveTries("fc-a", 0, 2, 1, 0, 0.0, 1, begins=True), deliver(THERE, "a0#1")]
    play >> finished(THERE, 1) << save("a", 0)


def test_those_of_a_function_that_is_not_here_are_lost(play: Playbook) -> None:
    play >> restored("a", 0, 1) << save("a", 0, 1, kind=OutcomeKind.LOST)


def test_those_of_a_version_that_is_being_left_run(play: Playbook) -> None:
    play >> [function(), resumed(THERE), e.AppRetired("ap-1", 5.0), restored("a")] << deliver(THERE, "a0#1")


def test_the_time_that_it_has_waited_for_its_first_attempt_counts(play: Playbook) -> None:
    play >> function(queue_timeout=10.0, max_containers=1)
    play >> [restored("a", at=-7.0), restored("b", at=-7.0, attempts=1)] << start(1)
    play >> submit("c")
    play.at(3.0) << save("a", 0, kind=OutcomeKind.TIMED_OUT)


def test_code_is_told_that_it_may_have_run(play: Playbook) -> None:
    play >> [function(), resumed(THERE), restored("a", attempts=2)] << deliver(THERE, "a0#1")
    item = play.engine.state.calls.find("in-a-0")
    assert item is not None
    assert item.again is not None
    assert (item.again.number, item.again.why) == (3, "redelivered")


@pytest.mark.parametrize("kind", [CallKind.SPAWNED, CallKind.ATTACHED])
def test_tries_are_kept_of_spawned_inputs_alone(play: Playbook, kind: CallKind) -> None:
    play >> [function(retries=1), resumed(THERE)]
    play >> submit("a", kind=kind) << deliver(THERE, "a0#1")
    expected = [c.SaveTries("fc-a", 0, 1, 1, 0, 1.0, 1)] if kind is CallKind.SPAWNED else []
    play >> finished(THERE, 1, kind=OutcomeKind.FAILURE) << expected
