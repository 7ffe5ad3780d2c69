"""Versions that come and go: containers that are warmed before anything is called, apps that end what they have accepted."""

from __future__ import annotations

from motet.core import commands as c
from motet.core import events as e
from motet.model.outcome import AttemptEnd, CallKind, HeldAttempt, OutcomeKind
from motet.testing.playbook import Containing, Playbook
from motet.testing.transcript import (
    deliver,
    ended,
    finished,
    function,
    kill,
    ready,
    save,
    send,
    settings,
    spec,
    start,
    start_failed,
    stop,
    submit,
)

RETIRED = e.AppRetired("ap-1", 5.0)
GONE = c.ReportAppStopped("ap-1")


def inside(call: str, **options: object) -> e.InputsSubmitted:
    return replace_event(submit(call, **options), from_inside=True)  # type: ignore[arg-type]


def replace_event(event: e.InputsSubmitted, **changes: object) -> e.InputsSubmitted:
    return e.InputsSubmitted(**{**{name: getattr(event, name) for name in event.__struct_fields__}, **changes})


def test_a_retired_app_ends_what_it_has_takes_nothing_from_outside_and_stops(play: Playbook) -> None:
    play >> function(max_inputs=1, max_containers=1, retries=1)
    play >> submit("a", 2) << start(1)
    play >> ready(1) << deliver(1, "a0#1")
    play >> RETIRED << []
    lost = Containing("NotFoundError", "this version of f takes no more inputs: another one has taken its place")
    play >> submit("b") << send("b", 0, kind=OutcomeKind.LOST, payload=lost)
    # Of a call that it has, more inputs come; they, retries and redeliveries go on.
    play >> submit("a", 1, first=2)
    play >> finished(1, 1, kind=OutcomeKind.FAILURE) << deliver(1, "a1#2")
    play >> ended(1) << start(2)
    play.at(10.0) >> ready(2) << deliver(2, "a1#3")
    play >> finished(2, 3) << deliver(2, "a2#4") << send("a", 1)
    play >> finished(2, 4) << deliver(2, "a0#5") << send("a", 2)
    play >> finished(2, 5) << stop(2, reason="another version has taken its place") << send("a", 0)
    play >> submit("b") << send("b", 0, kind=OutcomeKind.LOST)
    play >> ended(2, "exited with status 0") << GONE
    assert play.engine.state.pools == {}


def test_code_in_its_containers_calls_all_of_its_functions_until_the_last_input_has_ended(play: Playbook) -> None:
    play >> function("f") >> function("g", min_containers=1, max_containers=1) << start(1, function="g")
    play >> submit("a") << start(2)
    play >> ready(1)
    play >> ready(2) << deliver(2, "a0#1")
    play >> RETIRED << []  # the idle container of g stays for what f may call
    play >> inside("n", function="g") << deliver(1, "n0#2")
    play >> inside("s", function="g", kind=CallKind.SPAWNED)
    play >> finished(2, 1) << send("a", 0)
    play >> finished(1, 2) << deliver(1, "s0#3") << send("n", 0)
    play >> finished(1, 3) << stop(2) << stop(1) << save("s", 0)
    play >> ended(1, "exited with status 0")
    play >> ended(2, "exited with status 0") << GONE


def test_a_retired_app_keeps_no_container_for_what_may_come(play: Playbook) -> None:
    play >> function("f") >> function("g", min_containers=1, scaledown_window=2.0) << start(1, function="g")
    play >> submit("a") << start(2)
    play >> ready(1)
    play >> ready(2) << deliver(2, "a0#1")
    play.at(10.0) >> RETIRED << stop(1)
    play >> settings("g", min_containers=3) << []


def test_an_app_that_holds_nothing_stops_at_once(play: Playbook) -> None:
    play >> function()
    play >> RETIRED << GONE
    play >> e.AppRetired("ap-none", 5.0) << c.ReportAppStopped("ap-none")


def test_a_variant_that_is_made_while_its_app_is_retired_is_retired(play: Playbook) -> None:
    play >> function(min_containers=0)
    play >> submit("a") << start(1)
    play >> RETIRED
    play >> e.FunctionAdded("fu-v", "ap-1", spec("v", min_containers=2), "when empty") << []
    play >> inside("v", function="v") << start(2, function="v")


def test_a_stop_ends_what_a_retired_app_still_runs(play: Playbook) -> None:
    play >> function()
    play >> submit("a") << start(1)
    play >> RETIRED << []
    play >> e.AppStopped("ap-1", 5.0)
    play << [*kill(1, reason="app stopped")] << send("a", 0, kind=OutcomeKind.CANCELLED)


def test_containers_are_warmed_without_inputs_and_said_to_be_ready_or_not(play: Playbook) -> None:
    play >> function(max_containers=2, scaledown_window=2.0)
    play >> e.FunctionWarmed("fu-f", 3) << start(1, 2)
    play >> ready(1) << c.ReportWarm("fu-f")
    play >> start_failed(2) << [*kill(2, reason="failed to start"), c.ReportCold("fu-f", b"ImportError")]
    play.at(60.0)
    play >> ended(2, "was killed") << start(3)
    play >> ready(3) << c.ReportWarm("fu-f")
    play >> e.FunctionWarmed("fu-f", 0) << stop(1)
    play.at(62.0) << stop(3)


def test_bounds_that_change_while_a_function_is_warm_hold_when_it_is_not(play: Playbook) -> None:
    play >> function()
    play >> e.FunctionWarmed("fu-f", 1) << start(1)
    play >> ready(1) << c.ReportWarm("fu-f")
    play >> settings(min_containers=2) << start(2)
    play >> e.FunctionWarmed("fu-f", 0) << []


def test_a_held_app_takes_inputs_and_starts_nothing_before_it_is_released(play: Playbook) -> None:
    play >> replace_added(function(min_containers=2), held=True) << []
    play >> submit("a") << []
    play >> e.AppReleased("ap-1") << start(1, 2)


def replace_added(event: e.FunctionAdded, **changes: object) -> e.FunctionAdded:
    return e.FunctionAdded(**{**{name: getattr(event, name) for name in event.__struct_fields__}, **changes})


def test_what_began_before_the_server_did_goes_on_in_a_version_that_was_replaced(play: Playbook) -> None:
    play >> replace_added(function(min_containers=2), held=True)
    resumed = e.ContainerResumed("ta-old", "fu-f", [HeldAttempt(7, "fc-a", 0, principal=1)], [])
    play >> resumed << []
    play >> RETIRED << []
    play >> e.AppReleased("ap-1") << []
    assert play.engine.inspection.runs_in("fc-a", 0) == "fu-f"
    assert play.engine.inspection.runs_in("fc-b", 0) is None
    play >> submit("b") << send("b", 0, kind=OutcomeKind.LOST)
    play >> replace_event(submit("a"), again=True) << []
    play >> e.AttemptsFinished("ta-old", [AttemptEnd(7, OutcomeKind.SUCCESS, b"done")])
    play << c.StopContainer("ta-old", "another version has taken its place") << send("a", 0, payload=b"done")
    play >> e.ContainerEnded("ta-old", "exited with status 0") << GONE
