"""A server takes over from one that was killed: containers come back, and what they run is joined, and not run again."""

from __future__ import annotations

from motet.core import events as e
from motet.core.commands import RecordCalls, RecordInputs
from motet.core.earlier_attempts import RESUBMIT_GRACE
from motet.core.engine import Engine
from motet.model.current_attempt import Attempt
from motet.model.outcome import AttemptEnd, CallKind, HeldAttempt, OutcomeKind
from motet.model.quota import Quota
from motet.testing.playbook import Containing, Playbook, text_failure
from motet.testing.transcript import (
    cancel,
    cancel_attempts,
    container_id,
    deliver,
    deliver_batch,
    ended,
    finished,
    function,
    ready,
    resumed,
    send,
    spec,
    start,
    stop,
    submit,
)

THERE, ALSO_THERE = 91, 92
"""Containers that a server before this one had started."""


def test_an_input_that_runs_is_joined(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> submit("a")
    play >> finished(THERE, 7) << send("a", 0)


def test_one_that_has_ended_is_given_its_outcome(play: Playbook) -> None:
    play >> [function(), resumed(THERE, ended=["a0#7"])]
    play >> submit("a") << send("a", 0)


def test_one_that_ends_before_it_is_submitted_again_is_given_its_outcome(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> finished(THERE, 7)
    play >> submit("a") << send("a", 0)
    assert play.engine.state.pools["fu-f"].running == 0


def test_others_of_its_call_run_beside_it(play: Playbook) -> None:
    play >> [function(max_inputs=2), resumed(THERE, "a0#7")]
    play >> submit("a", 2) << deliver(THERE, "a1#1")
    play >> finished(THERE, 7, 1) << send("a", 0, 1)


def test_those_that_run_or_have_ended_take_no_room_from_those_that_wait(play: Playbook) -> None:
    play >> [function(max_containers=1, max_waiting_inputs=2), resumed(THERE, "a0#7", ended=["a1#6"])]
    play >> submit("a", 4) << send("a", 1)
    play >> finished(THERE, 7) << [deliver(THERE, "a2#1"), send("a", 0)]
    play >> finished(THERE, 1) << [deliver(THERE, "a3#2"), send("a", 2)]


def test_those_beyond_the_bound_are_refused_also_beside_some_that_run(play: Playbook) -> None:
    play >> [function(max_containers=1, max_waiting_inputs=1), resumed(THERE, "a0#7")]
    why = Containing("the queue of f is full: 1 inputs wait, and 1 may")
    play >> submit("a", 4) << send("a", 2, 3, kind=OutcomeKind.REFUSED, payload=why)
    play >> finished(THERE, 7) << [deliver(THERE, "a1#1"), send("a", 0)]


def test_those_that_run_are_joined_though_their_principal_may_have_no_more(play: Playbook) -> None:
    play >> e.PrincipalLimited(1, "the principal 'ci'", Quota(inputs=1))
    play >> [function(max_containers=1, max_inputs=2), resumed(THERE, "a1#7", "a2#8")]
    (
        play
        >> submit("a", 3)
        << send("a", 0, kind=OutcomeKind.REFUSED, payload=Containing("'ci' has 2 inputs", "may have 1"))
    )
    play >> finished(THERE, 7, 8) << send("a", 1, 2)


def test_it_keeps_its_slot_until_then(play: Playbook) -> None:
    play >> [function(max_containers=1), resumed(THERE, "a0#7")]
    play >> submit("b")
    play >> submit("a")
    play >> finished(THERE, 7) << [deliver(THERE, "b0#1"), send("a", 0)]


def test_a_container_that_comes_back_is_there_before_others_are_started_for_a_minimum(play: Playbook) -> None:
    play >> [function(min_containers=1, max_containers=1), resumed(THERE)]


def test_what_nobody_submits_again_is_cancelled(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7", ended=["b0#6"])]
    play.at(RESUBMIT_GRACE) << cancel_attempts(THERE, 7)
    play >> submit("b") << start(1)  # its outcome was not kept for longer
    assert not play.engine.state.pools["fu-f"].earlier.are_any


def test_an_input_whose_container_dies_then_runs_again(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> submit("a")
    play >> ended(THERE) << start(1)


def test_one_that_dies_before_runs_again_too(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> ended(THERE)
    play >> submit("a") << start(1)


def test_an_input_that_was_joined_can_be_cancelled(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> submit("a")
    play >> cancel("a") << [cancel_attempts(THERE, 7), send("a", 0, kind=OutcomeKind.CANCELLED)]


def test_one_that_fails_is_retried(play: Playbook) -> None:
    play >> [function(retries=1), resumed(THERE, "a0#7")]
    play >> submit("a")
    play >> finished(THERE, 7, kind=OutcomeKind.FAILURE)
    play.at(1.0) << deliver(THERE, "a0#1")


def test_of_two_attempts_the_later_one_counts(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> resumed(ALSO_THERE, "a0#8") << cancel_attempts(THERE, 7)
    play >> submit("a")
    play >> finished(THERE, 7)
    play >> finished(ALSO_THERE, 8) << send("a", 0)


def test_an_outcome_of_an_earlier_attempt_does_not_count_either(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#8")]
    play >> resumed(ALSO_THERE, ended=["a0#7"])
    play >> submit("a")
    play >> finished(THERE, 8) << send("a", 0)


def test_what_was_cancelled_before_is_not_joined(play: Playbook) -> None:
    play >> [function(max_inputs=2, max_containers=1), resumed(THERE, "a0#7", cancelled=True)]
    play >> submit("a") << deliver(THERE, "a0#1")


def test_a_container_of_a_function_that_is_not_here_is_not_heard(play: Playbook) -> None:
    play >> resumed(THERE, "a0#7")
    play >> finished(THERE, 7)


# --- its time goes on -------------------------------------------------------------------------------------------------


def test_an_input_that_was_joined_has_the_rest_of_its_time(play: Playbook) -> None:
    play >> [function(timeout=10.0, max_containers=1), resumed(THERE, "a0#7", ran=4.0)]
    play.at(1.0) >> submit("a")
    play.at(5.999)
    play.at(6.0) << [cancel_attempts(THERE, 7), send("a", 0, kind=OutcomeKind.TIMED_OUT)]


def test_one_whose_time_was_over_before_ends_as_soon_as_it_is_submitted_again(play: Playbook) -> None:
    play >> [function(timeout=10.0, max_containers=1), resumed(THERE, "a0#7", ran=40.0)]
    play >> submit("a")
    play.at(0.0) << [cancel_attempts(THERE, 7), send("a", 0, kind=OutcomeKind.TIMED_OUT)]


def test_it_leaves_the_others_their_time(play: Playbook) -> None:
    play >> [function(timeout=10.0, max_containers=1, max_inputs=2), resumed(THERE, "a0#7", ran=4.0)]
    play >> submit("b") << deliver(THERE, "b0#1")
    play >> submit("a")
    play.at(6.0) << [cancel_attempts(THERE, 7), send("a", 0, kind=OutcomeKind.TIMED_OUT)]
    play.at(10.0) << [cancel_attempts(THERE, 1), send("b", 0, kind=OutcomeKind.TIMED_OUT)]


def test_what_its_retries_were_charged_with_stays_charged(play: Playbook) -> None:
    second = Attempt(2, "retry", "failed", "attempt 1 failed, retry 1 of 1", 1)
    play >> [function(retries=1), resumed(THERE, ended=["a0#7"], again=second, kind=OutcomeKind.FAILURE)]
    play >> submit("a") << send("a", 0, kind=OutcomeKind.FAILURE)


def test_one_that_waited_for_its_retry_is_tried_again(play: Playbook) -> None:
    play >> [function(retries=1), resumed(THERE, ended=["a0#7"], kind=OutcomeKind.FAILURE)]
    play >> submit("a")
    play.at(1.0) << deliver(THERE, "a0#1")


# --- what has not begun -----------------------------------------------------------------------------------------------


def test_what_a_blocked_container_gives_back_before_it_is_submitted_again_runs_elsewhere(play: Playbook) -> None:
    play >> [function(max_containers=2, max_inputs=2), resumed(THERE, "a0#7", "b0#8")]
    play >> e.ContainerBlocked(container_id(THERE), 8, [8])
    play >> submit("b") << start(1)
    play >> submit("a")
    play >> finished(THERE, 8, kind=OutcomeKind.CANCELLED)
    play >> ready(1) << deliver(1, "b0#1")
    play >> finished(THERE, 7) << send("a", 0)


def test_one_that_had_been_given_back_to_the_server_before_runs_again(play: Playbook) -> None:
    play >> [function(), resumed(THERE, ended=["a0#7"], kind=OutcomeKind.CANCELLED)]
    play >> submit("a") << deliver(THERE, "a0#1")


# --- batches ----------------------------------------------------------------------------------------------------------

BATCHED = {"max_batch_size": 3, "wait_ms": 1000, "max_containers": 1}


def test_the_inputs_of_a_batch_that_runs_are_joined(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a0#7", "a1#8", batch=7)]
    play >> submit("a", 2)
    play >> finished(THERE, 7, 8) << send("a", 0, 1)


def test_a_batch_has_one_slot_until_the_last_of_it_has_ended(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a0#7", "a1#8", batch=7)]
    play >> submit("a", 2)
    play >> submit("b", 3)
    play >> finished(THERE, 7) << send("a", 0)
    play >> finished(THERE, 8) << [deliver_batch(THERE, "b0#1", "b1#2", "b2#3"), send("a", 1)]


def test_a_batch_whose_first_member_has_ended_is_known_by_its_number(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a1#8", ended=["a0#7"], batch=7)]
    play >> submit("a", 2) << send("a", 0)
    play >> cancel("a") << [cancel_attempts(THERE, 7), send("a", 1, kind=OutcomeKind.CANCELLED)]


def test_a_batch_goes_on_while_any_of_it_is_wanted_or_may_be(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a0#7", "b0#8", "c0#9", batch=7)]
    play >> submit("a")
    play >> cancel("a") << send("a", 0, kind=OutcomeKind.CANCELLED)
    play >> submit("b")
    play.at(RESUBMIT_GRACE)
    play >> cancel("b") << [cancel_attempts(THERE, 7), send("b", 0, kind=OutcomeKind.CANCELLED)]
    play >> finished(THERE, 7, 8, 9, kind=OutcomeKind.CANCELLED)


def test_a_batch_of_which_nobody_submits_any_again_is_cancelled_once(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a0#7", "a1#8", batch=7)]
    play.at(RESUBMIT_GRACE) << cancel_attempts(THERE, 7)
    play >> finished(THERE, 7, 8, kind=OutcomeKind.CANCELLED)


def test_a_batch_that_was_cancelled_keeps_its_slot_until_it_has_ended(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a0#7", "a1#8", batch=7, cancelled=True)]
    play >> submit("b", 3)
    play >> finished(THERE, 7, 8, kind=OutcomeKind.CANCELLED) << deliver_batch(THERE, "b0#1", "b1#2", "b2#3")


def test_the_inputs_of_a_batch_whose_container_dies_run_again(play: Playbook) -> None:
    play >> [function(**BATCHED), resumed(THERE, "a0#7", "a1#8", "a2#9", batch=7)]
    play >> submit("a", 2)
    play >> ended(THERE, blameless=True) << start(1)
    play >> submit("a", 1, first=2)
    play >> ready(1) << deliver_batch(1, "a0#1", "a1#2", "a2#3")


# --- streams and requests -----------------------------------------------------------------------------------------------


def test_a_stream_that_was_cut_off_is_recorded_as_cancelled_and_keeps_its_slot_until_it_has_ended() -> None:
    running = HeldAttempt(7, "fc-a", 0, True, 1, 4.0, method="m", cut=True)
    has_ended = HeldAttempt(8, "fc-b", 0, False, 1, 2.0, cut=True)
    end = AttemptEnd(8, OutcomeKind.CANCELLED, b"")
    engine = Engine(failure=text_failure)
    engine.handle([e.FunctionAdded("fu-f", "ap-1", spec("f", max_containers=1))], 10.0)
    resumed = e.ContainerResumed("ta-there", "fu-f", [running], [(has_ended, end)])
    told = engine.handle([resumed], 10.0, records=True)
    calls = [call for it in told if isinstance(it, RecordCalls) for call in it.calls]
    inputs = [record for it in told if isinstance(it, RecordInputs) for record in it.inputs]
    assert [(it.call_id, it.kind, it.method, it.submitted_at) for it in calls] == [
        ("fc-a", CallKind.STREAM, "m", 6.0),
        ("fc-b", CallKind.STREAM, "", 8.0),
    ]
    assert [(it.call_id, it.kind, it.container_id, it.ended_at) for it in inputs] == [
        ("fc-a", OutcomeKind.CANCELLED, "ta-there", 10.0),
        ("fc-b", OutcomeKind.CANCELLED, "ta-there", 10.0),
    ]
    assert all(b"the server was gone" in it.failure for it in inputs)
    (container,) = engine.state.pools["fu-f"].fleet.containers.values()
    assert list(container.running) == [7]
    assert not engine.state.pools["fu-f"].earlier.are_any
    engine.check()


# --- and else ---------------------------------------------------------------------------------------------------------


def test_one_that_is_to_end_after_what_it_runs_does(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7", leaving="it asked for no more inputs")]
    play >> submit("a")
    play >> finished(THERE, 7) << [*stop(THERE), send("a", 0)]


def test_attempts_are_numbered_after_those_of_the_server_before() -> None:
    play = Playbook(first_attempt=1 << 40)
    play >> [function(max_inputs=2), resumed(THERE, "a0#7")]
    play >> submit("b") << deliver(THERE, f"b0#{1 << 40}")
    play.end()


def test_resubmitting_an_input_twice_gives_one_outcome(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7")]
    play >> submit("a")
    play >> submit("a")
    play >> finished(THERE, 7) << send("a", 0)


def test_who_knows_the_id_of_anothers_call_can_neither_join_nor_take_it(play: Playbook) -> None:
    play >> [function(), resumed(THERE, "a0#7", ended=["b0#6"])]
    not_yours = Containing("is not a call of this client")
    for call, index in (("a", 0), ("a", 1), ("b", 0)):
        (
            play
            >> submit(call, first=index, client=2)
            << send(call, index, client=2, kind=OutcomeKind.LOST, payload=not_yours)
        )
    play >> submit("a")
    play >> submit("b") << send("b", 0)
    play >> finished(THERE, 7) << send("a", 0)


def test_kinds_of_ends_are_what_they_were(play: Playbook) -> None:
    end = AttemptEnd(7, OutcomeKind.FAILURE, b"ValueError")
    play >> [
        function(),
        e.ContainerResumed("ta-there", "fu-f", [], [(HeldAttempt(7, "fc-a", 0, principal=1), end)]),
    ]
    play >> submit("a") << send("a", 0, kind=OutcomeKind.FAILURE, payload=b"ValueError")
