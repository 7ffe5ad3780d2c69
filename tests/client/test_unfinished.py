"""What a client says again to the next server."""

from __future__ import annotations

from typing import Any

from motet.client.unfinished import Unfinished
from motet.model.function import AppSpec, FunctionVariant
from motet.model.outcome import CallKind, InputEnd, NewInput, OutcomeKind
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate
from motet.wire import client_messages as m
from motet.wire.again import FIRST_NUMBER
from motet.wire.state_messages import EntryFound, GetEntry, MakeState, PopEntry, PutEntries

SPEC = AppSpec(name="shop", functions=())
VARIANT = FunctionVariant()


def submit(call: str, *indices: int, kind: CallKind = CallKind.ATTACHED, again: bool = False) -> m.SubmitInputs:
    inputs = [NewInput(index, b"x") for index in indices]
    return m.SubmitInputs(f"fc-{call}", "fu-f", kind, "", inputs, again=again)


def outcomes(call: str, *indices: int) -> m.Outcomes:
    return m.Outcomes(f"fc-{call}", [InputEnd(index, OutcomeKind.SUCCESS, b"") for index in indices])


def answered(unfinished: Unfinished, number: int, request: Any, answer: Any) -> None:
    unfinished.sent(m.Request(number, request))
    assert unfinished.received(m.Reply(number, answer))


def test_inputs_without_an_outcome() -> None:
    unfinished = Unfinished()
    for message in (submit("a", 0, 1), submit("a", 2), submit("b", 0)):
        unfinished.sent(message)
    assert unfinished.received(outcomes("a", 1))
    assert unfinished.received(outcomes("b", 0))
    assert list(unfinished.again()) == [submit("a", 0, 2, again=True)]
    unfinished.sent(submit("b", 1))  # a map goes on
    assert list(unfinished.again())[1:] == [submit("b", 1, again=True)]


def test_many_in_messages_of_128() -> None:
    unfinished = Unfinished()
    unfinished.sent(submit("a", *range(300)))
    assert [len(message.inputs) for message in unfinished.again()] == [128, 128, 44]  # type: ignore[attr-defined]


def test_not_those_of_calls_that_were_cancelled() -> None:
    unfinished = Unfinished()
    unfinished.sent(submit("a", 0))
    unfinished.sent(m.CancelCall("fc-a"))
    assert list(unfinished.again()) == []


def test_apps_and_variants_with_the_ids_that_they_had_before_requests_and_inputs() -> None:
    unfinished = Unfinished()
    unfinished.sent(submit("a", 0))
    unfinished.sent(m.Request(4, m.ViewApp("ap-1")))
    answered(unfinished, 1, m.CreateApp("ap-1", SPEC), m.AppCreated([("k", "f", "fu-f")], []))
    answered(unfinished, 2, m.BindFunction("fu-f", VARIANT), m.FunctionBound("fu-v"))
    change = m.UpdateAutoscaler("fu-f", AutoscalerUpdate(max_containers=3))
    answered(unfinished, 3, change, m.AutoscalerUpdated(AutoscalerSettings(max_containers=3)))
    apps = [m.Request(FIRST_NUMBER, m.CreateApp("ap-1", SPEC, functions=(("k", "f", "fu-f"),)))]
    assert unfinished.apps_again() == apps
    assert list(unfinished.again()) == [
        m.Request(FIRST_NUMBER + 1, m.BindFunction("fu-f", VARIANT, "fu-v")),
        m.Request(FIRST_NUMBER + 2, change),
        m.Request(4, m.ViewApp("ap-1")),
        submit("a", 0, again=True),
    ]


def test_the_answers_to_what_is_said_again_are_nobodys() -> None:
    unfinished = Unfinished()
    answered(unfinished, 1, m.CreateApp("ap-1", SPEC), m.AppCreated([], []))
    (again,) = unfinished.apps_again()
    assert isinstance(again, m.Request)
    assert not unfinished.received(m.Reply(again.request_id, m.AppCreated([], [])))


def test_not_what_was_refused_stopped_or_is_not_wanted() -> None:
    unfinished = Unfinished()
    answered(unfinished, 1, m.CreateApp("ap-1", SPEC), m.RequestFailed(b""))
    answered(unfinished, 2, m.CreateApp("ap-2", SPEC), m.AppCreated([], []))
    answered(unfinished, 3, m.StopApp("ap-2"), m.Done())
    unfinished.sent(m.Request(4, m.ViewApp("ap-1")))
    unfinished.sent(m.Forget(4))
    assert unfinished.apps_again() == []
    assert list(unfinished.again()) == []


def test_an_answer_in_parts_is_one_when_the_last_is_here() -> None:
    unfinished = Unfinished()
    unfinished.sent(m.Request(1, m.AwaitOutcomes("fc-a", 0)))
    unfinished.received(m.Reply(1, outcomes("a", 0), more=True))
    assert len(list(unfinished.again())) == 1
    unfinished.received(m.Reply(1, outcomes("a", 1)))
    assert list(unfinished.again()) == []


def test_streams_end() -> None:
    unfinished = Unfinished()
    unfinished.sent(submit("a", 0, kind=CallKind.STREAM))
    unfinished.sent(submit("b", 0))
    assert unfinished.take_streams() == ["fc-a"]
    assert list(unfinished.again()) == [submit("b", 0, again=True)]


def test_what_must_not_happen_twice_is_not_said_again() -> None:
    unfinished = Unfinished()
    once = (PutEntries("di-name-a", True, [(b"k", b"v")]), PopEntry("di-name-a", False, b"k"), MakeState("di-name-a"))
    for number, body in enumerate((*once, GetEntry("di-name-a", False, b"k"))):
        unfinished.sent(m.Request(number, body))
    answered(unfinished, 9, PopEntry("di-name-a", False, b"l"), EntryFound(None))
    assert unfinished.take_once() == [0, 1, 2]
    assert [each.request_id for each in unfinished.again() if isinstance(each, m.Request)] == [3]
