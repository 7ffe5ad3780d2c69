"""What becomes of an input: results, retries, timeouts, cancels, streams, lost clients and stopped apps."""

from __future__ import annotations

import pytest

from motet.core.commands import AckItems, ReportAppStopped, SendItems, WakeAt
from motet.core.events import AppStopped, ClientLost, ItemsTaken, TimerFired
from motet.core.host import HostLimits
from motet.errors import NotFoundError
from motet.model.outcome import CallKind, OutcomeKind
from motet.model.retries import RetryPolicy
from motet.testing.playbook import Containing, Placeholder, Playbook
from motet.testing.transcript import (
    cancel,
    cancel_attempts,
    container_id,
    deliver,
    ended,
    finished,
    function,
    kill,
    ready,
    save,
    send,
    start,
    start_failed,
    stop,
    submit,
    yielded,
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


# --- clients and apps -------------------------------------------------------------------------------------------------


def test_what_only_a_lost_client_could_take_is_cancelled_and_spawned_calls_go_on(play: Playbook) -> None:
    play >> function(max_inputs=3)
    play >> submit("a", client=1) << start(1)
    play >> submit("b", client=1, kind=CallKind.SPAWNED)
    play >> submit("c", client=2)
    play >> ready(1) << deliver(1, "a0#1", "b0#2", "c0#3")
    play >> ClientLost(1) << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play >> finished(1, 1, 2, 3) << save("b", 0) << send("c", 0, client=2)


def test_stopping_an_app_cancels_its_inputs_stops_its_containers_and_reports_once(play: Playbook) -> None:
    play >> function(max_inputs=1)
    play >> submit("a", 2) << start(1, 2)
    play >> ready(1) << deliver(1, "a0#1")
    play >> AppStopped("ap-1", 5.0)
    play << cancel_attempts(1, 1) << stop(1) << kill(2) << send("a", 0, 1, kind=CANCELLED)
    play >> submit("b") << send("b", 0, kind=OutcomeKind.LOST, payload=Containing("NotFoundError"))
    play >> finished(1, 1, kind=CANCELLED)
    play >> ended(2)
    play >> ended(1, "exited with 0") << ReportAppStopped("ap-1")
    play.at(1000.0)


def test_containers_of_a_stopped_app_are_killed_after_the_grace(play: Playbook) -> None:
    one_running(play)
    play >> AppStopped("ap-1", 5.0) << cancel_attempts(1, 1) << stop(1) << send("a", 0, kind=CANCELLED)
    play.at(4.9)
    play.at(5.0) << kill(1)
    play >> ended(1) << ReportAppStopped("ap-1")


def test_an_app_without_containers_has_stopped_at_once(play: Playbook) -> None:
    play >> function()
    play >> AppStopped("ap-1", 5.0) << ReportAppStopped("ap-1")
    with pytest.raises(NotFoundError):
        play.engine.view("fu-f", 0.0)


def test_a_function_added_to_a_stopping_app_takes_no_inputs(play: Playbook) -> None:
    one_running(play)
    play >> AppStopped("ap-1", 5.0) << cancel_attempts(1, 1) << stop(1) << send("a", 0, kind=CANCELLED)
    play >> function("g", min_containers=1)
    play >> submit("b", function="g") << send("b", 0, kind=OutcomeKind.LOST)
    play >> ended(1) << ReportAppStopped("ap-1")


def test_other_apps_go_on(play: Playbook) -> None:
    play >> function("f", app="ap-f", max_inputs=2)
    play >> function("g", app="ap-g", max_inputs=2)
    play >> submit("a", function="f") << start(1, function="f")
    play >> submit("b", function="g") << start(2, function="g")
    play >> ready(1, 2) << deliver(1, "a0#1") << deliver(2, "b0#2")
    play >> AppStopped("ap-f", 5.0) << cancel_attempts(1, 1) << stop(1) << send("a", 0, kind=CANCELLED)
    play >> finished(2, 2) << send("b", 0)


# --- streams ----------------------------------------------------------------------------------------------------------


def stream(play: Playbook, **options: object) -> None:
    play >> function(**{"max_containers": 1, **options})
    play >> submit("a", kind=CallKind.STREAM) << start(1)
    play >> ready(1) << deliver(1, "a0#1")


def test_items_go_to_the_caller_and_its_progress_back_to_the_producer(play: Playbook) -> None:
    stream(play)
    play >> yielded(1, 1, b"one", b"two") << SendItems(1, "fc-a", 0, [b"one", b"two"])
    play >> ItemsTaken("fc-a", 0, 2) << AckItems(container_id(1), 1, 2)
    play >> finished(1, 1) << send("a", 0)
    play >> ItemsTaken("fc-a", 0, 1)
    play >> yielded(1, 1, b"three")


def test_items_after_the_cancel_are_dropped(play: Playbook) -> None:
    stream(play)
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)
    play >> yielded(1, 1, b"one")


def test_a_stream_that_gave_items_is_not_retried(play: Playbook) -> None:
    stream(play, retries=3)
    play >> yielded(1, 1, b"one") << SendItems(1, "fc-a", 0, [b"one"])
    play >> finished(1, 1, kind=FAILURE) << send("a", 0, kind=FAILURE)


def test_a_stream_that_gave_nothing_yet_is_retried(play: Playbook) -> None:
    stream(play, retries=1)
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.0) << deliver(1, "a0#2")


# --- time -------------------------------------------------------------------------------------------------------------


def test_the_engine_asks_to_be_woken_at_the_earliest_of_its_moments() -> None:
    with Playbook(wakes=True, limits=HostLimits(stop_grace=3.0)) as play:
        play >> function(startup_timeout=100.0, timeout=50.0, scaledown_window=10.0, retries=1)
        play >> submit("a") << start(1) << WakeAt(100.0)
        play.at(1.0) >> ready(1) << deliver(1, "a0#1") << WakeAt(51.0)
        play.at(2.0) >> finished(1, 1, kind=FAILURE) << WakeAt(3.0)
        play >> TimerFired() << WakeAt(3.0)
        play.at(3.0) << deliver(1, "a0#2") << WakeAt(12.0)  # it has been idle since 2.0
        play.at(4.0) >> finished(1, 2) << send("a", 0)
        play.at(13.0) << WakeAt(14.0)
        play.at(14.0) << stop(1) << WakeAt(17.0)
        play >> ended(1, "exited with 0")
        play.at(17.0) << WakeAt(51.0)
        play.take()


# --- looking in -------------------------------------------------------------------------------------------------------


def test_a_view_tells_what_there_is(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a", 3) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play.at(2.0) >> finished(1, 1, kind=FAILURE) << deliver(1, "a2#3") << send("a", 0, kind=FAILURE)
    view = play.engine.view("fu-f", play.now)
    assert (view.waiting_inputs, view.running_inputs, view.failed_inputs) == (0, 2, 1)
    assert (view.max_inputs, view.started_containers, view.peak_containers) == (2, 1, 1)
    [container] = view.containers
    assert (container.state, container.running_inputs, container.finished_inputs, container.age) == ("ready", 2, 1, 2.0)
    assert play.engine.views("ap-1", play.now) == (view,)


def test_stories_tell_why_something_is_where_it_is(play: Playbook) -> None:
    one_running(play)
    play >> ended(1, "was killed by signal 9 (SIGKILL)") << start(2)
    story = play.engine.story("in-a-0")
    assert "waiting" in story
    assert "ta-00001 was killed by signal 9 (SIGKILL)" in story
    assert "started: 0 inputs at 1 each and 1 alone want 1" in play.engine.story(container_id(2))
    with pytest.raises(NotFoundError, match="in-b-0"):
        play.engine.story("in-b-0")


# --- the kit itself ---------------------------------------------------------------------------------------------------


def test_a_playbook_with_an_unexpected_command_fails_and_shows_it() -> None:
    with (
        pytest.raises(AssertionError, match=r"unexpected commands at the end(.|\n)*\+ << StartContainer"),
        Playbook() as play,
    ):
        play >> function(min_containers=1)


def test_a_playbook_that_expects_something_else_shows_both() -> None:
    with pytest.raises(AssertionError, match=r"- << StopContainer(.|\n)*\+ << StartContainer"), Playbook() as play:
        play >> function(min_containers=1) << stop(1)


def test_a_playbook_that_expects_a_command_that_does_not_come_fails() -> None:
    with pytest.raises(AssertionError, match=r"\+ \(no command\)"), Playbook() as play:
        play >> function() << start(1)


def test_a_placeholder_stands_for_the_first_value_it_meets(play: Playbook) -> None:
    reason = Placeholder("reason")
    play >> function(min_containers=2) << start(1, reason=reason) << start(2, reason=reason)
    assert reason.value == "min_containers=2"
    assert not reason.matches("another")


def test_start_failure_words_reach_the_caller(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> start_failed(1, b"boom") << kill(1, reason="failed to start") << send("a", 0, kind=FAILURE, payload=b"boom")
