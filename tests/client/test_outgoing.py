"""Inputs on their way: the first is announced, others join it until somebody takes them."""

from __future__ import annotations

from motet.client.outgoing import MOST, Outgoing
from motet.model.outcome import CallKind, NewInput


def outgoing(count: int) -> Outgoing:
    made = Outgoing("fc-1", "fu-1", CallKind.ATTACHED, "", None, "")
    made.inputs.extend(NewInput(index, b"") for index in range(count))
    return made


def test_what_is_there_leaves_together_and_what_comes_later_has_to_be_announced() -> None:
    inputs = outgoing(3)
    inputs.is_announced = True
    assert [[new.index for new in message.inputs] for message in inputs.take()] == [[0, 1, 2]]
    assert not inputs.is_announced
    assert list(inputs.take()) == []


def test_messages_are_not_too_large() -> None:
    assert [len(message.inputs) for message in outgoing(2 * MOST + 1).take()] == [MOST, MOST, 1]
