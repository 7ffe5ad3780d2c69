"""What code is told of the attempt that it runs in, and functions whose inputs are delivered at most once."""

from __future__ import annotations

import msgspec
import pytest

from motet.core.commands import DeliverAttempts, DeliverBatch
from motet.core.events import ContainerStopAsked
from motet.errors import InvalidError
from motet.model.current_attempt import Attempt
from motet.model.function import FunctionSpec, ImportedDefinition, MethodSpec
from motet.model.outcome import OutcomeKind
from motet.model.scaling import Concurrency
from motet.model.web import WebSpec
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    blocked,
    cancel,
    cancel_attempts,
    container_id,
    deliver,
    ended,
    finished,
    frozen,
    function,
    kill,
    preempted,
    ready,
    resumed,
    send,
    start,
    stop,
    submit,
    unblocked,
)

FAILURE, LOST = OutcomeKind.FAILURE, OutcomeKind.LOST
MAY_HAVE_RUN = Containing("MayHaveRun", "not run again")


def told(play: Playbook) -> list[Attempt | None]:
    """What the inputs delivered since the last look are told of their attempts."""
    commands = [it for it in play.take() if isinstance(it, DeliverAttempts | DeliverBatch)]
    return [delivery.again for command in commands for delivery in command.attempts]


def runs_alone(play: Playbook, **options: object) -> None:
    play >> function(max_containers=1, **options)
    play >> submit("a") << start(1)
    play >> ready(1)
    assert told(play) == [None]


# --- why there is an attempt ------------------------------------------------------------------------------------------


def test_a_retry_is_told_that_the_one_before_failed(play: Playbook) -> None:
    runs_alone(play, retries=2)
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.0)
    assert told(play) == [Attempt(2, "retry", "failed", "attempt 1 failed, retry 1 of 2", 1)]
    play >> finished(1, 2, kind=FAILURE)
    play.at(2.0)
    assert told(play) == [Attempt(3, "retry", "failed", "attempt 2 failed, retry 2 of 2", 2)]


def test_a_retry_is_told_that_the_one_before_took_too_long(play: Playbook) -> None:
    runs_alone(play, retries=1, timeout=5.0)
    play.at(5.0)
    play.take()
    play >> finished(1, 1, kind=OutcomeKind.CANCELLED)
    play.at(6.0)
    assert told(play) == [Attempt(2, "retry", "timed out", "attempt 1 timed out, retry 1 of 1", 1)]


def test_what_may_have_run_before_the_server_was_killed_is_told_so_and_its_numbers_begin_anew(play: Playbook) -> None:
    play >> function(retries=1)
    play >> msgspec.structs.replace(submit("a"), again=True) << start(1)
    play >> ready(1)
    text = "it had been submitted to a server that was killed, and may have run there"
    assert told(play) == [Attempt(1, "redelivered", "server restarted", text)]
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.0)
    assert told(play) == [Attempt(2, "retry", "failed", "attempt 1 failed, retry 1 of 1", 1)]


def test_an_attempt_that_went_on_while_the_server_was_killed_has_the_number_that_it_had(play: Playbook) -> None:
    second = Attempt(2, "retry", "failed", "attempt 1 failed, retry 1 of 2", 1)
    play >> [function(retries=2), resumed(91, "a0#7", again=second)]
    play >> msgspec.structs.replace(submit("a"), again=True)
    play >> ended(91, "was killed by signal 9") << start(1)
    play >> ready(1)
    died = f"container {container_id(91)} was killed by signal 9"
    assert told(play) == [Attempt(3, "redelivered", "container died", died, 1)]
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.0)
    assert told(play) == [Attempt(4, "retry", "failed", "attempt 3 failed, retry 2 of 2", 2)]
    play >> finished(1, 2, kind=FAILURE) << send("a", 0, kind=FAILURE)


def test_the_first_attempt_is_the_first_one_of_the_next_server_too(play: Playbook) -> None:
    play >> [function(), resumed(91, "a0#7")]
    play >> msgspec.structs.replace(submit("a"), again=True)
    play >> ended(91, "was killed by signal 9") << start(1)
    play >> ready(1)
    assert told(play) == [
        Attempt(2, "redelivered", "container died", f"container {container_id(91)} was killed by signal 9")
    ]


def test_a_redelivery_is_told_how_the_container_ended(play: Playbook) -> None:
    runs_alone(play)
    play >> ended(1, "was killed by signal 9") << start(2)
    play >> ready(2)
    text = f"container {container_id(1)} was killed by signal 9"
    assert told(play) == [Attempt(2, "redelivered", "container died", text)]


def test_a_redelivery_after_a_retry_counts_on(play: Playbook) -> None:
    runs_alone(play, retries=1)
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.0)
    play.take()
    play >> ended(1) << start(2)
    play >> ready(2)
    (again,) = told(play)
    assert again is not None
    assert (again.number, again.why) == (3, "redelivered")


def test_a_redelivery_is_told_that_the_container_was_told_to_end(play: Playbook) -> None:
    runs_alone(play)
    play >> preempted(1)
    play.at(play.engine.state.host.limits.drain_grace) << kill(1)
    play >> ended(1) << start(2)
    play >> ready(2)
    assert [it and it.cause for it in told(play)] == ["container preempted"]


def test_one_that_ends_after_it_was_told_to_was_preempted_as_well(play: Playbook) -> None:
    runs_alone(play)
    play >> preempted(1)
    play >> ended(1, "exited with status 0") << start(2)
    play >> ready(2)
    assert [it and it.cause for it in told(play)] == ["container preempted"]


def test_a_redelivery_is_told_that_an_operator_stopped_the_container(play: Playbook) -> None:
    runs_alone(play)
    play >> ContainerStopAsked(container_id(1), graceful=False) << stop(1)
    play >> ended(1) << start(2)
    play >> ready(2)
    assert [it and it.cause for it in told(play)] == ["container stopped"]


def test_a_redelivery_is_told_that_the_container_was_frozen(play: Playbook) -> None:
    runs_alone(play)
    play >> frozen(1)
    play.at(play.engine.state.host.limits.freeze_grace) << kill(1)
    play >> ended(1) << start(2)
    play >> ready(2)
    assert [it and it.cause for it in told(play)] == ["container frozen"]


def test_a_neighbour_is_told_that_another_input_was_cancelled(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1, sync_cancellation="container")
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> cancel("a") << stop(1) << send("a", 0, kind=OutcomeKind.CANCELLED)
    play >> ended(1) << start(2)
    play >> ready(2)
    assert [it and it.cause for it in told(play)] == ["neighbour cancelled"]


def test_what_had_not_begun_is_told_that_the_container_was_blocked(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b") << deliver(1, "b0#2")
    play >> blocked(1, 1)
    play >> finished(1, 2, kind=OutcomeKind.CANCELLED)
    play >> unblocked(1)
    assert [it and it.cause for it in told(play)] == ["container blocked"]


def test_each_input_of_a_batch_is_told_of_its_own_attempts(play: Playbook) -> None:
    play >> function(max_batch_size=2, wait_ms=0, max_containers=1)
    play >> submit("a") << start(1)
    play >> ready(1)
    assert told(play) == [None]
    play >> ended(1) << start(2)
    play >> submit("b", 2)
    play >> ready(2)
    assert [it and it.number for it in told(play)] == [2]  # a suspect is apart
    play >> finished(2, 2)
    assert told(play) == [None, None]


# --- at most once -----------------------------------------------------------------------------------------------------


def test_an_input_that_is_delivered_at_most_once_fails_when_its_container_dies(play: Playbook) -> None:
    runs_alone(play, delivery="at_most_once")
    play >> ended(1) << send("a", 0, kind=LOST, payload=MAY_HAVE_RUN)


def test_so_do_all_that_ran_in_that_container(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1, delivery="at_most_once")
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1", "a1#2")
    play >> ended(1) << send("a", 0, 1, kind=LOST, payload=MAY_HAVE_RUN)


def test_retries_do_not_bring_it_back(play: Playbook) -> None:
    runs_alone(play, delivery="at_most_once", retries=3)
    play >> ended(1) << send("a", 0, kind=LOST, payload=MAY_HAVE_RUN)


def test_what_its_code_raises_is_retried_as_its_function_says(play: Playbook) -> None:
    runs_alone(play, delivery="at_most_once", retries=1)
    play >> finished(1, 1, kind=FAILURE)
    play.at(1.0) << deliver(1, "a0#2")
    play >> finished(1, 2) << send("a", 0)


def test_what_was_not_delivered_yet_waits_for_another_container(play: Playbook) -> None:
    play >> function(max_containers=1, delivery="at_most_once")
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> ended(1) << start(2) << send("a", 0, kind=LOST, payload=MAY_HAVE_RUN)
    play >> ready(2) << deliver(2, "a1#2")


def test_what_has_not_begun_behind_a_blocked_event_loop_is_delivered_again(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1, delivery="at_most_once")
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> submit("b") << deliver(1, "b0#2")
    play >> blocked(1, 1)
    play >> ended(1) << start(2) << send("a", 0, kind=LOST, payload=MAY_HAVE_RUN)
    play >> ready(2) << deliver(2, "b0#3")


def test_a_preempted_container_finishes_what_it_has_and_the_rest_fails_with_its_grace(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1, delivery="at_most_once")
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> preempted(1)
    play >> finished(1, 1) << send("a", 0)
    grace = play.engine.state.host.limits.drain_grace
    play.at(grace) << kill(1) << send("b", 0, kind=LOST, payload=MAY_HAVE_RUN)


def test_one_that_is_cancelled_leaves_the_others_alone(play: Playbook) -> None:
    play >> function(max_inputs=2, max_containers=1, delivery="at_most_once")
    play >> submit("a") << start(1)
    play >> submit("b")
    play >> ready(1) << deliver(1, "a0#1", "b0#2")
    play >> cancel("a") << cancel_attempts(1, 1) << send("a", 0, kind=OutcomeKind.CANCELLED)
    play >> finished(1, 1, kind=OutcomeKind.CANCELLED)
    play >> finished(1, 2) << send("b", 0)


def spec(**options: object) -> FunctionSpec:
    definition = ImportedDefinition(module="m", qualname="f")
    return FunctionSpec(name="f", app_name="a", definition=definition, delivery="at_most_once", **options)  # type: ignore[arg-type]


def test_what_would_end_neighbours_or_run_requests_again_does_not_go_with_at_most_once() -> None:
    spec(sync_cancellation="container")  # alone in its container, an input has no neighbours
    with pytest.raises(InvalidError, match='f: sync_cancellation="container" ends inputs with their neighbours'):
        spec(sync_cancellation="container", concurrency=Concurrency(max_inputs=2))
    with pytest.raises(InvalidError, match="f: redeliver_non_idempotent=True contradicts"):
        spec(methods=(MethodSpec(web=WebSpec(kind="asgi", redeliver_non_idempotent=True)),))
