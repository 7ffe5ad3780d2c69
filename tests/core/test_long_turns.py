"""What many inputs bring at one moment is spread over turns: the work of a turn is bounded, whatever waits or runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest

from motet.core import events as e
from motet.core.commands import (
    CancelAttempts,
    Command,
    RecordInputs,
    ReportAppStopped,
    SaveOutcomes,
    SendOutcomes,
    WakeAt,
)
from motet.core.host import HostLimits
from motet.core.turn import INPUTS_PER_TURN
from motet.model.outcome import CallKind, OutcomeKind
from motet.model.scaling import MAX_INPUTS_LIMIT
from motet.testing.playbook import text_failure
from motet.testing.transcript import cancel, container_id, finished, function, ready, start_failed, submit
from tests.core.recording_engine import RecordingEngine

SPAWNED = CallKind.SPAWNED
LATER = 100.0


class Turns:
    """An engine, and what each turn of it did: inputs that ended, attempts that were given up, functions that were called."""

    def __init__(self, *events: e.Event, limits: HostLimits | None = None) -> None:
        limits = limits or HostLimits(waiting=10**6)
        self.engine = RecordingEngine(failure=text_failure, limits=limits)
        self.ended: list[int] = []
        self.recorded = 0
        self.given_up: list[int] = []
        self.calls: list[int] = []
        self.kinds: set[OutcomeKind] = set()
        for event in events:
            self.engine.handle([event], 0.0)

    def follow(self, event: e.Event, now: float = LATER) -> None:
        """Let this happen, and time stand still until there is nothing left to do."""
        events = [event]
        while events:
            commands = self._turn(events, now)
            self.engine.check()
            woken = any(isinstance(command, WakeAt) and command.deadline <= now for command in commands)
            events = [e.TimerFired()] if woken else []

    def _turn(self, events: Sequence[e.Event], now: float) -> list[Command]:
        calls = 0

        def count(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            commands = self.engine.handle(events, now)
        finally:
            sys.setprofile(None)
        ended = [it for c in commands if isinstance(c, SaveOutcomes | SendOutcomes) for it in c.ended]
        self.kinds |= {each.kind for each in ended}
        self.recorded += sum(len(c.inputs) for c in commands if isinstance(c, RecordInputs))
        self.ended.append(len(ended))
        self.given_up.append(sum(len(c.attempts) for c in commands if isinstance(c, CancelAttempts)))
        self.calls.append(calls)
        return commands


def many_run(count: int, **options: Any) -> list[e.Event]:
    """Call a has so many inputs that run, in containers of as many as there may be."""
    containers = -(-count // MAX_INPUTS_LIMIT)
    added = function(max_inputs=MAX_INPUTS_LIMIT, max_containers=containers, **options)
    return [added, submit("a", count, kind=SPAWNED), *ready(*range(1, containers + 1))]


def one_call_is_cancelled(count: int) -> Turns:
    turns = Turns(function(max_containers=1), submit("a", count, kind=SPAWNED))
    turns.follow(cancel("a"))
    return turns


def one_call_that_runs_is_cancelled(count: int) -> Turns:
    turns = Turns(*many_run(count))
    turns.follow(cancel("a"))
    return turns


def an_app_with_one_large_call_stops(count: int) -> Turns:
    turns = Turns(function(max_containers=1), submit("a", count, kind=SPAWNED))
    turns.follow(e.AppStopped("ap-1", 5.0))
    return turns


def an_app_with_many_calls_stops(count: int) -> Turns:
    calls = [submit(f"a{number}", kind=SPAWNED) for number in range(count)]
    turns = Turns(function(max_containers=1), *calls)
    turns.follow(e.AppStopped("ap-1", 5.0))
    return turns


def a_client_with_many_calls_leaves(count: int) -> Turns:
    turns = Turns(function(max_containers=1), *[submit(f"a{number}") for number in range(count)])
    turns.follow(e.ClientLost(1))
    return turns


def an_input_with_many_children_is_given_up(count: int) -> Turns:
    turns = Turns(function(max_containers=1), function("g", max_containers=1), submit("a"), *ready(1))
    for number in range(count - 1):
        turns.engine.handle([submit(f"b{number}", function="g", parent="a0", client=2)], 0.0)
    turns.follow(cancel("a"))
    return turns


def all_have_waited_for_too_long(count: int) -> Turns:
    turns = Turns(function(max_containers=1, queue_timeout=9.0), submit("a", count, kind=SPAWNED))
    turns.follow(e.TimerFired())
    return turns


def all_have_run_for_too_long(count: int) -> Turns:
    turns = Turns(*many_run(count, timeout=9.0))
    turns.follow(e.TimerFired())
    return turns


def no_container_can_start(count: int) -> Turns:
    turns = Turns(function(max_containers=1), submit("a", count, kind=SPAWNED))
    turns.follow(start_failed(1), 0.0)
    return turns


def the_host_cannot_run_it(count: int) -> Turns:
    turns = Turns(function(gpu=["H100"]), submit("a", count, kind=SPAWNED))
    turns.follow(e.GpusFound(e.FoundGpus(note="none")))
    return turns


def a_call_that_runs_and_waits_is_cancelled(count: int) -> Turns:
    turns = Turns(function(max_inputs=700, max_containers=1), submit("a", count, kind=SPAWNED), *ready(1))
    turns.follow(cancel("a"))
    return turns


SCENES: list[tuple[Callable[[int], Turns], OutcomeKind]] = [
    (one_call_is_cancelled, OutcomeKind.CANCELLED),
    (a_call_that_runs_and_waits_is_cancelled, OutcomeKind.CANCELLED),
    (one_call_that_runs_is_cancelled, OutcomeKind.CANCELLED),
    (an_app_with_one_large_call_stops, OutcomeKind.CANCELLED),
    (an_app_with_many_calls_stops, OutcomeKind.CANCELLED),
    (a_client_with_many_calls_leaves, OutcomeKind.CANCELLED),
    (an_input_with_many_children_is_given_up, OutcomeKind.CANCELLED),
    (all_have_waited_for_too_long, OutcomeKind.TIMED_OUT),
    (all_have_run_for_too_long, OutcomeKind.TIMED_OUT),
    (no_container_can_start, OutcomeKind.FAILURE),
    (the_host_cannot_run_it, OutcomeKind.FAILURE),
]


@pytest.mark.parametrize(("scene", "kind"), SCENES, ids=[scene.__name__ for scene, _ in SCENES])
def test_no_turn_does_more_however_many_inputs_end(scene: Callable[[int], Turns], kind: OutcomeKind) -> None:
    few, many = scene(2 * INPUTS_PER_TURN), scene(6 * INPUTS_PER_TURN)
    assert many.kinds == {kind}
    assert sum(many.ended) == many.recorded == 6 * INPUTS_PER_TURN
    assert max(many.ended) <= INPUTS_PER_TURN
    assert max(many.given_up) <= INPUTS_PER_TURN
    assert max(many.calls) <= 1.2 * max(few.calls)


def test_a_cancelled_call_is_not_delivered_while_its_inputs_are_being_ended() -> None:
    turns = Turns(function(max_containers=1), submit("a", 3 * INPUTS_PER_TURN, kind=SPAWNED))
    turns.engine.handle([cancel("a")], 1.0)
    turns.engine.handle([submit("b", kind=SPAWNED)], 1.0)
    turns.engine.handle(ready(1), 1.0)
    commands = turns.engine.handle([finished(1, 1)], 1.0)
    assert [(c.call_id, c.ended[0].kind) for c in commands if isinstance(c, SaveOutcomes)] == [
        ("fc-b", OutcomeKind.SUCCESS)
    ]


def test_inputs_that_come_for_a_call_that_is_being_ended_are_cancelled_too() -> None:
    turns = Turns(function(max_containers=1), submit("a", 3 * INPUTS_PER_TURN, kind=SPAWNED))
    turns.engine.handle([cancel("a")], 1.0)
    commands = turns.engine.handle([submit("a", 2, first=10**6, kind=SPAWNED)], 1.0)
    saved = [it for c in commands if isinstance(c, SaveOutcomes) for it in c.ended]
    assert [(it.index, it.kind) for it in saved] == [(10**6 + n, OutcomeKind.CANCELLED) for n in range(2)]


def test_an_app_with_more_than_a_turns_inputs_that_only_the_end_of_their_container_interrupts_stops() -> None:
    turns = Turns(*many_run(3 * MAX_INPUTS_LIMIT, sync_cancellation="container"))
    turns.follow(e.AppStopped("ap-1", 5.0))
    assert sum(turns.ended) == 3 * MAX_INPUTS_LIMIT
    assert turns.kinds == {OutcomeKind.CANCELLED}
    assert max(turns.ended) <= MAX_INPUTS_LIMIT


def test_a_call_that_was_cancelled_is_told_from_one_whose_app_stops() -> None:
    turns = Turns(function(max_containers=1))
    calls = [submit(name, 3 * INPUTS_PER_TURN, kind=SPAWNED) for name in ("a", "b")]
    turns.engine.handle(calls, 1.0)
    commands = turns.engine.handle([cancel("a"), e.AppStopped("ap-1", 5.0)], 1.0)
    while turns.engine.has_backlog:
        commands += turns.engine.handle([e.TimerFired()], 1.0)
    saved = [command for command in commands if isinstance(command, SaveOutcomes)]
    assert {(it.call_id, it.is_unwanted) for it in saved} == {("fc-a", True), ("fc-b", False)}
    assert sum(len(it.ended) for it in saved) == 6 * INPUTS_PER_TURN


def test_a_small_cancellation_does_not_wait_for_a_large_one() -> None:
    many = submit("a", 10 * INPUTS_PER_TURN, kind=SPAWNED)
    turns = Turns(function(max_containers=1), many, submit("b", kind=SPAWNED))
    turns.engine.handle([cancel("a"), cancel("b")], 1.0)
    commands = turns.engine.handle([e.TimerFired()], 1.0)
    assert "fc-b" in [c.call_id for c in commands if isinstance(c, SaveOutcomes)]


def test_other_events_do_not_pay_for_what_is_left_to_end() -> None:
    turns = Turns(function(max_containers=1), function("g"), submit("a", 5 * INPUTS_PER_TURN, kind=SPAWNED))
    turns.engine.handle([cancel("a")], 1.0)
    assert not [c for c in turns.engine.handle([function("h")], 1.0) if isinstance(c, SaveOutcomes)]


def test_what_a_container_lost_of_a_cancelled_call_is_not_run_again() -> None:
    turns = Turns(*many_run(2 * INPUTS_PER_TURN))
    turns.engine.handle([cancel("a")], 1.0)
    turns.follow(e.ContainerEnded(container_id(1), "was killed by signal 9"), 1.0)
    assert turns.kinds == {OutcomeKind.CANCELLED}
    assert not turns.engine.inspection.has_call("fc-a")


def test_looking_at_live_inputs_costs_what_is_shown_and_not_what_waits() -> None:
    costs = []
    for count in (2_000, 20_000):
        turns = Turns(function(max_inputs=3, max_containers=1), submit("a", count, kind=SPAWNED), *ready(1))
        calls = 0

        def tick(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        gc.disable()  # a collection in between runs callbacks of others, Hypothesis's among them
        sys.setprofile(tick)
        try:
            for call_id, function_id in (("fc-a", None), (None, "fu-f")):
                found = turns.engine.inspection.live_inputs(call_id, function_id, 10, float)
                assert [it.state for it in found] == ["running"] * 3 + ["waiting"] * 7
            assert turns.engine.inspection.has_call("fc-a")
            assert turns.engine.inspection.has_input("fc-a", 5)
            assert not turns.engine.inspection.has_input("fc-a", count)
        finally:
            sys.setprofile(None)
            gc.enable()
        costs.append(calls)
    assert costs[0] == costs[1]


def test_an_app_whose_last_inputs_end_in_the_turn_in_which_another_stops_is_reported() -> None:
    engine = RecordingEngine(failure=text_failure, inputs_per_turn=3)
    commands: list[Command] = []
    for event in (
        function(max_containers=1),
        function("g", app="ap-2"),
        submit("a", 4),
        e.AppStopped("ap-1", 5.0),
        e.ContainerEnded(container_id(1), "was killed"),
        e.AppStopped("ap-2", 5.0),
    ):
        commands = engine.handle([event], 0.0)
        engine.check()
    assert [it.app_id for it in commands if isinstance(it, ReportAppStopped)] == ["ap-2", "ap-1"]


@pytest.mark.parametrize("number_of_calls", [1, 3])
def test_what_waits_is_left_at_no_price_for_each_input_and_what_runs_ends(number_of_calls: int) -> None:
    """As a server ends: the next one has it from the journal."""

    def left(count: int) -> Turns:
        names = [f"a{number}" for number in range(number_of_calls)]
        calls = [submit(name, count, kind=SPAWNED) for name in names]
        turns = Turns(function(max_containers=1, max_inputs=2), *calls, *ready(1), submit("b", 3))
        turns.follow(e.AppStopped("ap-1", 5.0, leaves_spawned=True))
        return turns

    few, many = left(10), left(4 * INPUTS_PER_TURN)
    assert many.calls == few.calls
    assert many.ended == few.ended == [2 + 3]
    assert many.given_up == few.given_up == [2]
    gone = many.engine.handle([e.ContainerEnded(container_id(1), "ended")], LATER)
    assert ReportAppStopped("ap-1") in gone
    many.engine.check()


def test_a_call_that_was_cancelled_before_its_app_leaves_spawned_calls_ends() -> None:
    turns = Turns(function(max_containers=1), submit("a", 3 * INPUTS_PER_TURN, kind=SPAWNED))
    turns.engine.handle([cancel("a")], 1.0)
    turns.follow(e.AppStopped("ap-1", 5.0, leaves_spawned=True))
    assert sum(turns.ended) >= 2 * INPUTS_PER_TURN
    assert turns.kinds == {OutcomeKind.CANCELLED}
