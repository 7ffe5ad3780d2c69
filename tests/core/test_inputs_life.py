"""What becomes of an input: results, retries, timeouts and cancels."""

from __future__ import annotations

import pytest

from motet.model.outcome import CallKind, OutcomeKind
from motet.model.retries import RetryPolicy
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    cancel,
    cancel_attempts,
    deliver,
    ended,
    finished,
    function,
    kill,
    ready,
    save,
    send,
    start,
    submit,
)

FAILURE, TIMED_OUT, CANCELLED = OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.CANCELLED


def one_running(play: Playbook, **options: object) -> None:
    """Input a0 runs in container 1, and nothing else is there."""
    play >> function(**{"max_containers": 1, **options})
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")


# --- results ----------------------------------------------------------------------------------------------------------


def test_outcomes_of_one_call_leave_together_after_the_next_deliveries(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a", 3) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play >> finished(1, 2, 1) << deliver(1, "a2#3") << send("a", 1, 0)


def test_a_users_exception_is_passed_on_as_it_is(play: Playbook) -> None:
    one_running(play)
    play >> finished(1, 1, kind=FAILURE, payload=b"ValueError") << send("a", 0, kind=FAILURE, payload=b"ValueError")


def test_spawned_calls_are_saved(play: Playbook) -> None:
    play >> function()
    play >> submit("a", kind=CallKind.SPAWNED) << start(1)
    play >> ready(1) << deliver(1, "a0#1") >> finished(1, 1) << save("a", 0)


def test_an_outcome_is_accepted_once(play: Playbook) -> None:
    one_running(play)
    play >> finished(1, 1, 1) << send("a", 0)
    play >> finished(1, 1)


def test_an_outcome_from_a_container_that_does_not_hold_the_attempt_is_dropped(play: Playbook) -> None:
    play >> function()
    play >> submit("a", 2) << start(1, 2)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ready(2) << deliver(2, "a1#2")
    play >> finished(2, 1)
    play >> finished(7, 1)


def test_the_outcome_of_a_lost_attempt_comes_too_late(play: Playbook) -> None:
    one_running(play)
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play >> finished(1, 1)
    play >> finished(2, 1)
    play >> finished(2, 2) << send("a", 0)


def test_an_input_sent_twice_runs_once(play: Playbook) -> None:
    play >> function(max_inputs=5)
    play >> submit("a", 2) << start(1)
    play >> submit("a", 3)
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3")


def test_a_call_without_inputs_is_nothing(play: Playbook) -> None:
    play >> function()
    play >> submit("a", 0)


def test_a_call_of_an_unknown_function_ends_at_once(play: Playbook) -> None:
    play >> submit("a", 2) << send("a", 0, 1, kind=OutcomeKind.LOST, payload=Containing("NotFoundError", "fu-f"))


def test_calls_take_turns(play: Playbook) -> None:
    play >> function(max_containers=1)
    play >> submit("a", 3) << start(1)
    play >> submit("b", 3)
    play >> ready(1) << deliver(1, "a0#1")
    play >> finished(1, 1) << deliver(1, "b0#2") << send("a", 0)
    play >> finished(1, 2) << deliver(1, "a1#3") << send("b", 0)
    play >> finished(1, 3) << deliver(1, "b1#4") << send("a", 1)


# --- retries ----------------------------------------------------------------------------------------------------------


def test_failures_are_retried_after_growing_waits_and_then_passed_on(play: Playbook) -> None:
    policy = RetryPolicy(max_retries=2, initial_delay=2.0, backoff_coefficient=3.0)
    one_running(play, retries=policy)
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.9)
    play.at(2.0) << deliver(1, "a0#2")
    play >> finished(1, 2, kind=FAILURE)
    play.at(7.9)
    play.at(8.0) << deliver(1, "a0#3")
    play >> finished(1, 3, kind=FAILURE, payload=b"third") << send("a", 0, kind=FAILURE, payload=b"third")


def test_the_slot_is_free_while_a_retry_waits(play: Playbook) -> None:
    one_running(play, retries=1)
    play >> submit("b")
    play >> finished(1, 1, kind=FAILURE) << deliver(1, "b0#2")
    play.at(1.0)
    play >> finished(1, 2) << deliver(1, "a0#3") << send("b", 0)


@pytest.mark.parametrize("kind", [CANCELLED, OutcomeKind.LOST])
def test_only_failures_and_timeouts_are_retried(play: Playbook, kind: OutcomeKind) -> None:
    one_running(play, retries=3)
    play >> finished(1, 1, kind=kind) << send("a", 0, kind=kind)


def test_a_redelivery_is_not_charged_to_the_retry_policy(play: Playbook) -> None:
    one_running(play, retries=1)
    play >> ended(1) << start(2)
    play >> ready(2) << deliver(2, "a0#2")
    play >> finished(2, 2, kind=FAILURE)
    play.at(1.0) << deliver(2, "a0#3") >> finished(2, 3) << send("a", 0)


# --- timeouts ---------------------------------------------------------------------------------------------------------


def test_an_attempt_beyond_its_deadline_ends_for_its_caller_and_keeps_its_slot(play: Playbook) -> None:
    one_running(play, timeout=10.0)
    play.at(5.0) >> submit("b")
    why = Containing("FunctionTimeoutError", "in-a-0", "timeout of 10 s")
    play.at(9.9)
    play.at(10.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT, payload=why)
    play.at(12.0) >> finished(1, 1, kind=CANCELLED) << deliver(1, "b0#2")


def test_a_container_that_does_not_end_a_cancelled_input_is_replaced(play: Playbook) -> None:
    """Its other input may finish; then it is killed, as nobody waits for what it still does."""
    play >> function(max_inputs=2)
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play.at(30.0)
    play >> submit("c") << start(2)
    play.at(31.0) >> finished(1, 2) << kill(1, reason="1 cancelled inputs do not end") << send("b", 0)
    play >> ready(2) << deliver(2, "c0#3")
    play >> ended(1)


def test_a_container_with_nothing_but_stuck_inputs_is_killed_when_the_grace_of_each_is_over(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> submit("c")
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play.at(10.0) >> cancel("b") << cancel_attempts(1, 2) << send("b", 0, kind=CANCELLED)
    play.at(39.9)
    play.at(40.0) << kill(1)
    play >> ended(1) << start(2)


def test_an_input_that_ends_within_the_grace_leaves_its_container_in_service(play: Playbook) -> None:
    one_running(play)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play.at(29.0) >> finished(1, 1, kind=CANCELLED)
    play.at(40.0) >> submit("b") << deliver(1, "b0#2")


def test_a_slot_kept_after_a_timeout_counts_as_taken_when_the_pool_scales(play: Playbook) -> None:
    one_running(play, timeout=10.0, max_containers=2)
    play.at(10.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)
    play >> submit("b") << start(2)


def test_time_spent_waiting_is_not_charged(play: Playbook) -> None:
    play >> function(timeout=10.0, startup_timeout=100.0)
    play >> submit("a") << start(1)
    play.at(50.0) >> ready(1) << deliver(1, "a0#1")
    play.at(59.9)
    play.at(60.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)


def test_each_attempt_has_its_own_deadline(play: Playbook) -> None:
    play >> function(max_inputs=3, timeout=10.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(3.0) >> submit("b") << deliver(1, "b0#2")
    play.at(4.0) >> submit("c") << deliver(1, "c0#3")
    play.at(5.0) >> finished(1, 2) << send("b", 0)
    play.at(10.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT)
    play.at(14.0) << cancel_attempts(1, 3) << send("c", 0, kind=TIMED_OUT)


def test_a_timeout_is_charged_to_the_retry_policy(play: Playbook) -> None:
    one_running(play, timeout=10.0, retries=1, max_inputs=2)
    play.at(10.0) << cancel_attempts(1, 1)
    play.at(11.0) << deliver(1, "a0#2")
    play >> finished(1, 1)
    play.at(21.0) << cancel_attempts(1, 2) << send("a", 0, kind=TIMED_OUT)


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_a_cancel_ends_that_call_and_no_other(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a", 2) << start(1)
    play >> submit("b", 2)
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    gone = send("a", 0, 1, kind=CANCELLED, payload=Containing("RemoteError", "Input was cancelled: enough"))
    play >> cancel("a") << cancel_attempts(1, 1) << gone
    play >> finished(1, 1, kind=CANCELLED) << deliver(1, "b1#3")
    play >> finished(1, 2, 3) << send("b", 0, 1)


def test_cancelled_while_waiting(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> cancel("a") << send("a", 0, kind=CANCELLED)
    play >> ready(1)


def test_cancelled_while_a_retry_is_delayed(play: Playbook) -> None:
    one_running(play, retries=1)
    play >> finished(1, 1, kind=FAILURE)
    play >> cancel("a") << send("a", 0, kind=CANCELLED)
    play.at(5.0)


def test_cancelled_while_it_waits_as_a_suspect(play: Playbook) -> None:
    one_running(play)
    play >> ended(1) << start(2)
    play >> cancel("a") << send("a", 0, kind=CANCELLED)
    play >> ready(2)


def test_cancelled_when_it_has_ended_already(play: Playbook) -> None:
    one_running(play)
    play >> finished(1, 1) << send("a", 0)
    play >> cancel("a")
    play >> cancel("never-made")


def test_cancelled_twice(play: Playbook) -> None:
    one_running(play)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play >> cancel("a")


def test_inputs_running_in_one_container_are_cancelled_in_one_command(play: Playbook) -> None:
    play >> function(max_inputs=3, target_inputs=3)
    play >> submit("a", 3) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2", "a2#3")
    play >> cancel("a") << cancel_attempts(1, 1, 2, 3) << send("a", 0, 1, 2, kind=CANCELLED)


def test_a_result_that_crossed_the_cancel_is_dropped(play: Playbook) -> None:
    one_running(play)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play >> finished(1, 1)
