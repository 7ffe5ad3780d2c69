"""Inputs nobody waits for any more: what is interrupted, what goes on, and what becomes of their containers."""

from __future__ import annotations

from motet.core.host import HostLimits
from motet.model.outcome import CallKind, OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    cancel,
    cancel_attempts,
    deliver,
    deliver_batch,
    drain_asked,
    ended,
    finished,
    frozen,
    function,
    kill,
    preempted,
    ready,
    save,
    send,
    start,
    stop,
    submit,
    thawed,
    yielded,
)

CANCELLED, LOST, TIMED_OUT = OutcomeKind.CANCELLED, OutcomeKind.LOST, OutcomeKind.TIMED_OUT


def two_inputs_share_a_container(play: Playbook, **options: object) -> None:
    """Attempt 1 is of call a, attempt 2 of call b."""
    play >> function(max_inputs=2, **options)
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")


# --- the ladder -------------------------------------------------------------------------------------------------------


def test_a_cancelled_input_that_ends_in_time_leaves_its_container_in_service(play: Playbook) -> None:
    two_inputs_share_a_container(play, cancellation_grace=5.0)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play.at(4.0) >> finished(1, 1, kind=CANCELLED)
    play.at(6.0) >> submit("c") << deliver(1, "c0#3")


def test_a_container_that_keeps_a_cancelled_input_drains_and_is_killed_when_it_does_nothing_else(
    play: Playbook,
) -> None:
    two_inputs_share_a_container(play, cancellation_grace=5.0)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play.at(5.0) >> submit("c") << start(2)
    play.at(7.0) >> finished(1, 2) << kill(1) << send("b", 0)


def test_neighbours_of_an_input_that_does_not_end_run_elsewhere_after_the_drain_grace_uncharged() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        two_inputs_share_a_container(play, cancellation_grace=5.0)
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        play.at(25.0) << kill(1, reason=Containing("holding a cancelled input for too long")) << start(2)
        play >> finished(1, 2)  # too late: it is fenced off
        play >> ended(1)
        play >> ready(2) << deliver(2, "b0#3")
        play >> submit("c") << deliver(2, "c0#4")  # b is no suspect: others may join it
        play >> finished(2, 3) << send("b", 0)


def test_a_container_that_ends_a_cancelled_input_late_is_in_service_again_and_its_neighbours_run_on() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        two_inputs_share_a_container(play, cancellation_grace=5.0, max_containers=1)
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        play.at(6.0) >> submit("c")
        play.at(8.0) >> finished(1, 1, kind=CANCELLED) << deliver(1, "c0#3")
        play.at(60.0) >> finished(1, 2, 3) << send("b", 0) << send("c", 0)


def test_each_attempt_that_does_not_end_has_a_drain_grace_of_its_own() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        play >> function(max_inputs=3, cancellation_grace=5.0)
        play >> submit("a") << start(1)
        play >> submit("b") >> submit("c")
        play >> ready(1) << deliver(1, "a0#1", "b0#2", "c0#3")
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        play.at(15.0) >> cancel("b") << cancel_attempts(1, 2) << send("b", 0, kind=CANCELLED)
        play.at(24.0) >> finished(1, 1, kind=CANCELLED)
        play.at(40.0) << kill(1) << start(2)
        play >> ready(2) << deliver(2, "c0#4")


def test_a_container_that_was_told_to_end_goes_though_nothing_is_stuck_in_it_any_more() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        two_inputs_share_a_container(play, cancellation_grace=5.0)
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        play.at(6.0) >> preempted(1)
        play.at(7.0) >> finished(1, 1, kind=CANCELLED)
        play.at(26.0) << kill(1, reason=Containing("draining for too long")) << start(2)


def test_neighbours_of_an_input_that_ends_late_are_not_hurried_by_a_drain_that_is_not_urgent() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        two_inputs_share_a_container(play, cancellation_grace=5.0)
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        play.at(6.0) >> drain_asked(1)
        play.at(7.0) >> finished(1, 1, kind=CANCELLED)
        play.at(90.0) >> finished(1, 2) << stop(1) << send("b", 0)


def test_a_batch_that_ends_late_leaves_its_container_in_service(play: Playbook) -> None:
    play >> function(max_inputs=2, max_batch_size=2, cancellation_grace=5.0)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver_batch(1, "a0#1", "a1#2")
    play >> submit("b", 2) << deliver_batch(1, "b0#3", "b1#4")
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, 1, kind=CANCELLED)
    play.at(6.0) >> finished(1, 1, 2, kind=CANCELLED)
    play >> submit("c", 2) << deliver_batch(1, "c0#5", "c1#6")
    play.at(90.0) >> finished(1, 3, 4) << send("b", 0, 1)


def test_a_container_that_thaws_has_the_drain_grace_for_what_was_cancelled_while_it_was_frozen() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0, freeze_grace=60.0)) as play:
        two_inputs_share_a_container(play, cancellation_grace=5.0)
        play >> frozen(1)
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        play.at(50.0) >> thawed(1)
        play.at(51.0) >> finished(1, 1, kind=CANCELLED)
        play.at(90.0) >> finished(1, 2) << send("b", 0)


def test_a_stream_that_gave_items_is_lost_with_an_evicted_container() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        two_inputs_share_a_container(play, cancellation_grace=5.0)
        play >> yielded(1, 2, b"one")
        play.take()
        play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
        why = Containing("ContainerDied", "was ended", "after 1 items were streamed")
        play.at(25.0) << kill(1) << send("b", 0, kind=LOST, payload=why)


def test_with_sync_cancellation_container_the_others_run_elsewhere_at_once(play: Playbook) -> None:
    two_inputs_share_a_container(play, sync_cancellation="container")
    play >> cancel("a") << stop(1) << start(2) << send("a", 0, kind=CANCELLED)
    play >> ready(2) << deliver(2, "b0#3")
    play >> ended(1)
    play >> finished(2, 3) << send("b", 0)


def test_with_sync_cancellation_container_a_timeout_does_the_same(play: Playbook) -> None:
    play >> function(max_inputs=2, sync_cancellation="container", timeout=9.0)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play.at(5.0) >> submit("b") << deliver(1, "b0#2")
    play.at(9.0) << stop(1) << start(2) << send("a", 0, kind=TIMED_OUT)
    play >> ready(2) << deliver(2, "b0#3")


def test_an_input_that_is_alone_in_its_container_is_interrupted_whatever_sync_cancellation_says(
    play: Playbook,
) -> None:
    play >> function(sync_cancellation="container")
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)


def test_terminate_containers_kills_them_and_neighbours_run_elsewhere(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> cancel("a", terminate_containers=True) << kill(1) << start(2) << send("a", 0, kind=CANCELLED)
    play >> ready(2) << deliver(2, "b0#3")


def test_terminate_containers_leaves_containers_alone_that_run_none_of_the_call(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> submit("c") << start(2)
    play >> ready(2) << deliver(2, "c0#3")
    play >> cancel("c", terminate_containers=True) << kill(2) << send("c", 0, kind=CANCELLED)
    play >> finished(1, 1, 2) << send("a", 0) << send("b", 0)


def test_batch_mates_of_an_evicted_container_form_a_batch_again(play: Playbook) -> None:
    play >> function(max_inputs=2, max_batch_size=2, wait_ms=1000)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver_batch(1, "a0#1", "a1#2")
    play >> submit("b", 2) << deliver_batch(1, "b0#3", "b1#4")
    play >> cancel("a", terminate_containers=True) << kill(1) << start(2) << send("a", 0, 1, kind=CANCELLED)
    play >> ready(2) << deliver_batch(2, "b0#5", "b1#6")


# --- nested calls -----------------------------------------------------------------------------------------------------


def a_parent_waits_for_its_child(play: Playbook, kind: CallKind = CallKind.ATTACHED, **options: object) -> None:
    """Input a0 of f (attempt 1, container 1) has called g: call b (attempt 2, container 2)."""
    play >> function(**options) >> function("g")
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b", function="g", parent="a0", kind=kind, client=7) << start(2, function="g")
    play >> ready(2) << deliver(2, "b0#2")


def test_what_a_cancelled_input_called_is_cancelled(play: Playbook) -> None:
    a_parent_waits_for_its_child(play)
    why = Containing("in-a-0, which called it, was given up", "enough")
    play >> cancel("a") << cancel_attempts(1, 1) << cancel_attempts(2, 2)
    play << send("a", 0, kind=CANCELLED) << send("b", 0, client=7, kind=CANCELLED, payload=why)


def test_what_a_timed_out_input_called_is_cancelled_so_deadlines_reach_nested_calls(play: Playbook) -> None:
    a_parent_waits_for_its_child(play, timeout=4.0)
    play.at(4.0) << cancel_attempts(1, 1) << cancel_attempts(2, 2)
    play << send("a", 0, kind=TIMED_OUT) << send("b", 0, client=7, kind=CANCELLED)


def test_a_timeout_says_which_call_the_input_waited_for_that_could_not_begin(play: Playbook) -> None:
    play >> function(timeout=4.0, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b", parent="a0", client=7)
    why = Containing(
        "timeout of 4 s, while it waited for in-b-0 of f, which has not begun: 1 of at most 1 containers run"
    )
    play.at(4.0) << cancel_attempts(1, 1) << send("a", 0, kind=TIMED_OUT, payload=why)
    play << send("b", 0, client=7, kind=CANCELLED)


def test_what_a_cancelled_input_spawned_goes_on(play: Playbook) -> None:
    a_parent_waits_for_its_child(play, CallKind.SPAWNED)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play >> finished(2, 2) << save("b", 0)


def test_grandchildren_are_cancelled_even_while_they_wait(play: Playbook) -> None:
    a_parent_waits_for_its_child(play)
    play >> submit("c", function="g", parent="b0", client=8) << start(3, function="g")
    play >> cancel("a") << cancel_attempts(1, 1) << cancel_attempts(2, 2) << send("a", 0, kind=CANCELLED)
    play << send("b", 0, client=7, kind=CANCELLED) << send("c", 0, client=8, kind=CANCELLED)


def test_calls_that_name_each_others_inputs_as_parents_end_once(play: Playbook) -> None:
    """No honest client says so; a broken one must not bring the engine down."""
    play >> function(max_inputs=3)
    play >> submit("a", parent="b0") << start(1)
    play >> submit("b", parent="a0")
    play >> submit("c", parent="c0")
    play >> ready(1) << deliver(1, "a0#1", "b0#2", "c0#3")
    play >> cancel("a") << cancel_attempts(1, 1) << cancel_attempts(1, 2)
    play << send("a", 0, kind=CANCELLED) << send("b", 0, kind=CANCELLED)
    play >> cancel("c") << cancel_attempts(1, 3) << send("c", 0, kind=CANCELLED)


def test_a_child_that_shares_its_parents_container_is_cancelled_with_it(play: Playbook) -> None:
    play >> function(max_inputs=3, sync_cancellation="container")
    play >> submit("a") << start(1)
    play >> submit("b", parent="a0", client=7)
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> cancel("a") << stop(1) << send("a", 0, kind=CANCELLED) << send("b", 0, client=7, kind=CANCELLED)


def test_a_finished_inputs_children_are_left_alone(play: Playbook) -> None:
    a_parent_waits_for_its_child(play)
    play >> finished(1, 1) << send("a", 0)
    play >> cancel("a")
    play >> finished(2, 2) << send("b", 0, client=7)


def test_children_of_a_batch_are_cancelled_when_nobody_waits_for_any_of_it(play: Playbook) -> None:
    play >> function(max_batch_size=2) >> function("g")
    play >> submit("a") << start(1)
    play >> submit("c")
    play >> ready(1) << deliver_batch(1, "a0#1", "c0#2")
    play >> submit("b", function="g", parent="a0", client=7) << start(2, function="g")
    play >> cancel("a") << send("a", 0, kind=CANCELLED)
    play >> cancel("c") << cancel_attempts(1, 1) << send("c", 0, kind=CANCELLED)
    play << send("b", 0, client=7, kind=CANCELLED)


# --- preempted and frozen containers -----------------------------------------------------------------------------------


def test_a_preempted_container_finishes_what_it_has_and_takes_no_more(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> preempted(1)
    play >> finished(1, 1) << send("a", 0)
    play >> submit("c") << start(2)
    play >> finished(1, 2) << stop(1) << send("b", 0)


def test_what_a_preempted_container_does_not_finish_in_time_runs_elsewhere() -> None:
    with Playbook(limits=HostLimits(drain_grace=20.0)) as play:
        two_inputs_share_a_container(play)
        play >> preempted(1)
        play.at(20.0) << kill(1) << start(2)
        play >> ready(2) << deliver(2, "a0#3", "b0#4")


def test_a_container_preempted_while_it_starts_takes_nothing(play: Playbook) -> None:
    play >> function(min_containers=1) << start(1)
    play >> preempted(1)
    play >> ready(1) << stop(1) << start(2)


def test_a_frozen_container_is_given_nothing_and_another_one_starts(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> finished(1, 1) << send("a", 0)
    play >> frozen(1)
    play >> submit("c") << start(2)
    play >> ready(2) << deliver(2, "c0#3")
    play >> thawed(1)
    play >> submit("d") << deliver(1, "d0#4")
    play >> submit("e") << deliver(2, "e0#5")


def test_inputs_of_a_container_that_stays_frozen_run_elsewhere_uncharged() -> None:
    with Playbook(limits=HostLimits(freeze_grace=6.0)) as play:
        two_inputs_share_a_container(play)
        play >> frozen(1)
        play.at(6.0) << kill(1, reason=Containing("frozen for too long")) << start(2)
        play >> ready(2) << deliver(2, "a0#3", "b0#4")
        play >> finished(2, 3, 4) << send("a", 0) << send("b", 0)


def test_a_container_that_thaws_in_time_keeps_its_inputs(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> frozen(1)
    play.at(9.0) >> thawed(1)
    play.at(60.0) >> finished(1, 1, 2) << send("a", 0) << send("b", 0)


def test_a_container_that_is_frozen_before_it_says_ready_is_given_nothing(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> frozen(1)
    play >> ready(1) << start(2)
    play >> thawed(1) << deliver(1, "a0#1")


def test_a_container_that_stays_frozen_while_it_starts_is_replaced() -> None:
    with Playbook(limits=HostLimits(freeze_grace=6.0)) as play:
        play >> function()
        play >> submit("a") << start(1)
        play >> frozen(1)
        play.at(6.0) << kill(1, reason=Containing("frozen for too long")) << start(2)
        play >> ended(1)
        play >> ready(2) << deliver(2, "a0#1")


def test_a_draining_container_that_stays_frozen_is_killed_and_its_inputs_run_elsewhere(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> preempted(1)
    play.at(1.0) >> frozen(1)
    play.at(11.0) << kill(1) << start(2)
    play >> ready(2) << deliver(2, "a0#3", "b0#4")


def test_a_draining_container_that_thaws_keeps_its_own_deadline(play: Playbook) -> None:
    two_inputs_share_a_container(play)
    play >> preempted(1)
    play.at(1.0) >> frozen(1)
    play.at(2.0) >> thawed(1)
    play.at(30.0) << kill(1) << start(2)
