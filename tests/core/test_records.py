"""What the engine tells of calls and inputs, for the records."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from motet.core.commands import (
    Command,
    DeliverAttempts,
    RecordArguments,
    RecordCalls,
    RecordInputs,
    RecordSuccesses,
    StartContainer,
    StopContainer,
)
from motet.core.engine import Engine
from motet.core.events import (
    AttemptsFinished,
    CallCancelled,
    ContainerEnded,
    ContainerReady,
    ContainerStopAsked,
    FunctionAdded,
    InputsSubmitted,
    TimerFired,
)
from motet.model.function import MethodSpec
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.model.web import WebSpec
from motet.records.inputs import InputRecord
from motet.testing.transcript import container_id, function, spec
from tests.core.recording_engine import RecordingEngine


def submitted(call: str, count: int = 1, parent: str | None = None) -> InputsSubmitted:
    inputs = [NewInput(index, b"x") for index in range(count)]
    return InputsSubmitted(f"fc-{call}", "fu-f", 1, CallKind.ATTACHED, "", inputs, parent)


def an_engine(**options: object) -> RecordingEngine:
    engine = RecordingEngine(failure=lambda error: str(error).encode())
    engine.handle([function(**options)], 0.0)
    return engine


def inputs_of(commands: list[Command]) -> list[InputRecord]:
    unusual = [record for command in commands if isinstance(command, RecordInputs) for record in command.inputs]
    succeeded = [command.inputs.records() for command in commands if isinstance(command, RecordSuccesses)]
    return [*unusual, *(record for records in succeeded for record in records)]


def attempts_of(commands: list[Command]) -> list[int]:
    return [each.attempt for it in commands if isinstance(it, DeliverAttempts) for each in it.attempts]


def started_in(engine: RecordingEngine, now: float, call: str = "a") -> list[int]:
    """An input of `call` runs in container 1."""
    engine.handle([submitted(call)], now)
    return attempts_of(engine.handle([ContainerReady(container_id(1))], now + 1.0))


def test_a_call_is_told_of_once_with_the_input_that_made_it() -> None:
    engine = an_engine()
    commands = [
        *engine.handle([submitted("a", 2, "in-p-0")], 5.0),
        *engine.handle([submitted("a", 2, "in-p-0")], 6.0),
    ]
    calls = [call for command in commands if isinstance(command, RecordCalls) for call in command.calls]
    assert [(call.call_id, call.submitted_at, call.parent_input_id) for call in calls] == [("fc-a", 5.0, "in-p-0")]


def test_an_input_is_told_of_when_it_ends_with_its_attempt_and_its_moments() -> None:
    engine = an_engine()
    (attempt,) = started_in(engine, 5.0)
    end = AttemptEnd(attempt, OutcomeKind.SUCCESS, b"r", 6.1, 7.9)
    (record,) = inputs_of(engine.handle([AttemptsFinished(container_id(1), [end])], 8.0))
    assert (record.call_id, record.index, record.submitted_at, record.ended_at) == ("fc-a", 0, 5.0, 8.0)
    assert (record.kind, record.failure) == (OutcomeKind.SUCCESS, b"")
    (told,) = record.attempts
    assert (told.container_id, told.delivered_at, told.began, told.finished, told.ended_at) == (
        container_id(1),
        6.0,
        6.1,
        7.9,
        8.0,
    )


def test_a_redelivered_input_tells_of_both_attempts() -> None:
    engine = an_engine()
    started_in(engine, 0.0)
    commands = engine.handle([ContainerEnded(container_id(1), "was killed")], 2.0)
    assert any(isinstance(command, StartContainer) for command in commands)
    (attempt,) = attempts_of(engine.handle([ContainerReady(container_id(2))], 3.0))
    end = AttemptEnd(attempt, OutcomeKind.FAILURE, b"ValueError")
    (record,) = inputs_of(engine.handle([AttemptsFinished(container_id(2), [end])], 4.0))
    assert [(it.container_id, it.kind) for it in record.attempts] == [
        (container_id(1), OutcomeKind.LOST),
        (container_id(2), OutcomeKind.FAILURE),
    ]
    assert record.failure == b"ValueError"


def test_an_input_that_is_cancelled_before_it_runs_has_no_attempt() -> None:
    engine = an_engine()
    engine.handle([submitted("a")], 0.0)
    (record,) = inputs_of(engine.handle([CallCancelled("fc-a", "by its caller")], 1.0))
    assert (record.kind, record.attempts) == (OutcomeKind.CANCELLED, ())


def test_without_records_nothing_is_told() -> None:
    engine = Engine(failure=lambda error: b"")
    engine.handle([function()], 0.0)
    commands = engine.handle([submitted("a")], 0.0) + engine.handle([CallCancelled("fc-a", "by its caller")], 1.0)
    assert not any(isinstance(command, RecordCalls | RecordInputs | RecordSuccesses) for command in commands)


def test_what_runs_in_a_container_that_an_operator_stops_is_run_elsewhere() -> None:
    engine = an_engine()
    started_in(engine, 0.0)
    commands = engine.handle([ContainerStopAsked(container_id(1), graceful=False)], 2.0)
    assert any(isinstance(command, StopContainer) for command in commands)
    engine.check()
    engine.handle([ContainerEnded(container_id(1), "exited with status 0")], 2.5)
    (attempt,) = attempts_of(engine.handle([ContainerReady(container_id(2))], 3.0))
    end = AttemptEnd(attempt, OutcomeKind.SUCCESS, b"r")
    (record,) = inputs_of(engine.handle([AttemptsFinished(container_id(2), [end])], 4.0))
    assert record.kind is OutcomeKind.SUCCESS


def test_a_container_that_an_operator_stops_gracefully_finishes_what_it_runs() -> None:
    engine = an_engine()
    (attempt,) = started_in(engine, 0.0)
    commands = engine.handle([ContainerStopAsked(container_id(1), graceful=True)], 2.0)
    assert not any(isinstance(command, StopContainer) for command in commands)
    end = AttemptEnd(attempt, OutcomeKind.SUCCESS, b"r")
    commands = engine.handle([AttemptsFinished(container_id(1), [end])], 3.0)
    assert inputs_of(commands)[0].kind is OutcomeKind.SUCCESS
    assert any(isinstance(command, StopContainer) for command in commands)


def test_live_inputs_show_running_ones_first_on_the_wall_clock() -> None:
    engine = an_engine(max_containers=1)
    started_in(engine, 5.0)
    engine.handle([submitted("b", 3)], 7.0)
    views = engine.inspection.live_inputs(None, "fu-f", 3, lambda moment: 1000.0 + moment)
    assert [(it.call_id, it.state, it.submitted_at, it.delivered_at) for it in views] == [
        ("fc-a", "running", 1005.0, 1006.0),
        ("fc-b", "waiting", 1007.0, None),
        ("fc-b", "waiting", 1007.0, None),
    ]
    assert engine.inspection.live_inputs("fc-x", None, 3, float) == []


def kept_of(commands: list[Command]) -> list[tuple[str, int, str, float, bytes]]:
    """The arguments that are told of."""
    told = [each for command in commands if isinstance(command, RecordArguments) for each in command.arguments]
    return [(it.call_id, it.index, it.function_id, it.ended_at, it.payload) for it in told]


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (OutcomeKind.SUCCESS, []),
        (OutcomeKind.FAILURE, [("fc-a", 0, "fu-f", 8.0, b"x")]),
    ],
)
def test_arguments_are_told_of_inputs_that_failed_alone(kind: OutcomeKind, kept: list[Any]) -> None:
    engine = an_engine()
    (attempt,) = started_in(engine, 5.0)
    end = AttemptEnd(attempt, kind, b"r")
    assert kept_of(engine.handle([AttemptsFinished(container_id(1), [end])], 8.0)) == kept


def test_an_input_that_is_tried_again_has_not_failed_yet() -> None:
    engine = an_engine(retries=1)
    (attempt,) = started_in(engine, 5.0)
    commands = engine.handle([AttemptsFinished(container_id(1), [AttemptEnd(attempt, OutcomeKind.FAILURE, b"")])], 8.0)
    assert kept_of(commands) == []


def test_arguments_are_told_of_what_ran_for_too_long_and_not_of_what_was_cancelled() -> None:
    engine = an_engine(timeout=2.0, max_inputs=2)
    engine.handle([submitted("b")], 4.0)
    started_in(engine, 5.0)
    commands = engine.handle([CallCancelled("fc-b", "enough")], 7.0) + engine.handle([TimerFired()], 8.0)
    assert [it.kind for it in inputs_of(commands)] == [OutcomeKind.CANCELLED, OutcomeKind.TIMED_OUT]
    assert kept_of(commands) == [("fc-a", 0, "fu-f", 8.0, b"x")]


def test_requests_to_web_functions_are_not_kept() -> None:
    """Their heads have cookies and passwords of who sent them."""
    engine = RecordingEngine(failure=lambda error: str(error).encode())
    methods = (MethodSpec(web=WebSpec(kind="asgi")), MethodSpec(name="plain"))
    engine.handle([FunctionAdded("fu-f", "ap-1", replace(spec(), methods=methods))], 0.0)
    for method, kept in (("", []), ("plain", ["fc-plain"])):
        call = f"fc-{method or 'web'}"
        engine.handle([InputsSubmitted(call, "fu-f", 1, CallKind.ATTACHED, method, [NewInput(0, b"x")])], 5.0)
        (attempt,) = attempts_of(engine.handle([ContainerReady(container_id(1))], 6.0)) or [2]
        end = AttemptEnd(attempt, OutcomeKind.FAILURE, b"")
        commands = engine.handle([AttemptsFinished(container_id(1), [end])], 8.0)
        assert len(inputs_of(commands)) == 1
        assert [it[0] for it in kept_of(commands)] == kept


def test_container_within_walls_is_recorded_with_its_level() -> None:
    engine = RecordingEngine(failure=lambda error: str(error).encode())
    declared = function()
    engine.handle([replace(declared, spec=replace(declared.spec, isolation="bubblewrap"))], 0.0)
    [started] = [each for each in engine.handle([submitted("1")], 1.0) if isinstance(each, StartContainer)]
    assert started.isolation == "bubblewrap"
