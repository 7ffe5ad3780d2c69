"""Lost clients, stopped apps, streams, timers, and what there is to see."""

from __future__ import annotations

import gc
import weakref

import pytest

from motet.core.commands import AckItems, ReportAppStopped, SendItems, WakeAt
from motet.core.events import AppStopped, ClientLost, ItemsTaken, TimerFired
from motet.core.host import HostLimits
from motet.errors import NotFoundError
from motet.model.outcome import CallKind, OutcomeKind
from motet.testing.playbook import Containing, Playbook
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
    stop,
    submit,
    yielded,
)

FAILURE, CANCELLED = OutcomeKind.FAILURE, OutcomeKind.CANCELLED


def one_running(play: Playbook, **options: object) -> None:
    """Input a0 runs in container 1, and nothing else is there."""
    play >> function(**{"max_containers": 1, **options})
    play >> submit("a") << start(1)
    play >> ready(1) << deliver(1, "a0#1")


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
    play >> submit("b") << send("b", 0, kind=OutcomeKind.LOST, payload=Containing("NotFoundError", "f takes no more"))
    play >> finished(1, 1, kind=CANCELLED)
    play >> ended(2)
    play >> ended(1, "exited with 0") << ReportAppStopped("ap-1")
    play.at(1000.0)


def test_what_was_known_of_an_app_is_gone_with_it(play: Playbook) -> None:
    """Also before the moments come at which it was to be looked after, such as at the end of timeouts."""
    one_running(play)
    pool = weakref.ref(play.engine.state.pools["fu-f"])
    play >> finished(1, 1) << send("a", 0)
    play >> AppStopped("ap-1", 5.0) << stop(1)
    play >> ended(1, "exited with 0") << ReportAppStopped("ap-1")
    gc.collect()
    assert pool() is None


def test_containers_of_a_stopped_app_are_killed_after_the_grace(play: Playbook) -> None:
    one_running(play)
    play >> AppStopped("ap-1", 5.0) << cancel_attempts(1, 1) << stop(1) << send("a", 0, kind=CANCELLED)
    play.at(4.9)
    play.at(5.0) << kill(1)
    play >> ended(1) << ReportAppStopped("ap-1")


def test_a_stopped_app_gives_up_its_place_in_the_line_for_a_start() -> None:
    with Playbook(limits=HostLimits(starting=1)) as play:
        play >> function()
        play >> submit("a", 2) << start(1)
        play >> AppStopped("ap-1", 5.0) << kill(1) << send("a", 0, 1, kind=CANCELLED)
        play >> ended(1) << ReportAppStopped("ap-1")


def test_an_app_without_containers_has_stopped_at_once(play: Playbook) -> None:
    play >> function()
    play >> AppStopped("ap-1", 5.0) << ReportAppStopped("ap-1")
    with pytest.raises(NotFoundError):
        play.engine.inspection.view("fu-f", 0.0)


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
    view = play.engine.inspection.view("fu-f", play.now)
    assert (view.waiting_inputs, view.running_inputs, view.failed_inputs) == (0, 2, 1)
    assert (view.max_inputs, view.started_containers, view.peak_containers) == (2, 1, 1)
    [container] = view.containers
    assert (container.state, container.running_inputs, container.finished_inputs, container.age) == ("ready", 2, 1, 2.0)
    assert play.engine.inspection.views("ap-1", play.now) == (view,)


def test_stories_tell_why_something_is_where_it_is(play: Playbook) -> None:
    one_running(play)
    play >> ended(1, "was killed by signal 9 (SIGKILL)") << start(2)
    story = play.engine.inspection.story("in-a-0")
    assert "waiting" in story
    assert "ta-00001 was killed by signal 9 (SIGKILL)" in story
    assert "started: 0 inputs at 1 each and 1 alone want 1" in play.engine.inspection.story(container_id(2))
    with pytest.raises(NotFoundError, match="in-b-0"):
        play.engine.inspection.story("in-b-0")
