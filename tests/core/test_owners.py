"""Whose a call is: knowing its id is not enough to reach for it."""

from __future__ import annotations

import msgspec

from motet.core import events as e
from motet.core.commands import SendOutcomes
from motet.model.outcome import CallKind, OutcomeKind
from motet.testing.playbook import Containing, Playbook, text_failure
from motet.testing.transcript import (
    cancel_attempts,
    deliver,
    finished,
    function,
    ready,
    send,
    start,
    submit,
    yielded,
)
from tests.core.recording_engine import RecordingEngine

OWNER, CONTAINER, STRANGER = 1, 2, 3
CANCELLED, LOST = OutcomeKind.CANCELLED, OutcomeKind.LOST


def a_call_runs(play: Playbook, kind: CallKind = CallKind.ATTACHED) -> None:
    """Call a of the owner, which runs in container 1 as attempt 1."""
    play >> function(max_inputs=3)
    play >> submit("a", client=OWNER, kind=kind) << start(1)
    play >> ready(1) << deliver(1, "a0#1")


def cancelled(by: int | None) -> e.CallCancelled:
    return e.CallCancelled("fc-a", "enough", by=by)


def test_a_stranger_cannot_cancel_a_call(play: Playbook) -> None:
    a_call_runs(play)
    play >> cancelled(STRANGER)
    play >> finished(1, 1) << send("a", 0)


def test_its_client_and_an_operator_can() -> None:
    for by in (OWNER, None):
        with Playbook() as play:
            a_call_runs(play)
            play >> cancelled(by) << cancel_attempts(1, 1) << send("a", 0, kind=CANCELLED)


def test_what_a_container_calls_is_its_apps_clients_to_cancel_and_its_outcomes_go_to_the_container(
    play: Playbook,
) -> None:
    play >> function()
    new = msgspec.structs.replace(submit("a", client=CONTAINER), principal=OWNER)
    play >> new << start(1)
    play >> cancelled(CONTAINER)
    play >> cancelled(OWNER) << send("a", 0, client=CONTAINER, kind=CANCELLED)


def test_inputs_that_a_stranger_adds_are_refused_to_it_and_its_client_hears_nothing(play: Playbook) -> None:
    a_call_runs(play)
    why = Containing("NotFoundError", "fc-a is not a call of this client")
    play >> submit("a", 2, client=STRANGER) << send("a", 0, 1, client=STRANGER, kind=LOST, payload=why)
    play >> submit("a", first=1, client=OWNER) << deliver(1, "a1#2")
    play >> finished(1, 1, 2) << send("a", 0, 1)


def test_what_a_stranger_adds_is_not_recorded_as_the_clients() -> None:
    engine = RecordingEngine(failure=text_failure)
    engine.handle([function(), submit("a", client=OWNER)], 0.0)
    (command,) = engine.handle([submit("a", first=7, client=STRANGER, kind=CallKind.SPAWNED)], 1.0)
    assert isinstance(command, SendOutcomes)
    assert command.client == STRANGER


def test_a_stranger_cannot_feed_an_input_or_take_its_items(play: Playbook) -> None:
    a_call_runs(play, CallKind.STREAM)
    play >> yielded(1, 1, b"1")
    play.take()
    play >> e.ItemsTaken("fc-a", 0, 1, by=STRANGER)
    play >> e.InputFed("fc-a", 0, [b"x"], by=STRANGER)
    play >> e.ItemsTaken("fc-a", 0, 1, by=OWNER)
    assert len(play.take()) == 1
    play >> e.InputFed("fc-a", 0, [b"x"], by=OWNER)
    assert len(play.take()) == 1
