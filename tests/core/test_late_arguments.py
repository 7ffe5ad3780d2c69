"""Inputs whose arguments were left on the disk: they are read with the first attempt that needs them, and ahead of others."""

from __future__ import annotations

import msgspec

from motet.core import commands as c
from motet.core import events as e
from motet.model.outcome import CallKind, Delivery, NewInput, RestoredInput
from motet.testing.playbook import Playbook
from motet.testing.transcript import (
    PAYLOAD,
    container_id,
    deliver,
    deliver_batch,
    finished,
    function,
    ready,
    save,
    start,
    submit,
)


def left_on_disk(call: str, count: int = 1) -> e.InputsSubmitted:
    inputs = [NewInput(index, b"") for index in range(count)]
    return msgspec.structs.replace(submit(call, kind=CallKind.SPAWNED), inputs=inputs, on_disk=True)


def were_read(*inputs: tuple[str, int]) -> e.ArgumentsRead:
    return e.ArgumentsRead("fu-f", [(f"fc-{call}", index, PAYLOAD) for call, index in inputs])


def read(wanted: list[tuple[str, int]], ahead: list[tuple[str, int]]) -> c.ReadArguments:
    calls = [[(f"fc-{call}", index) for call, index in each] for each in (wanted, ahead)]
    return c.ReadArguments("fu-f", *calls)


def deliver_without(container: int, what: str) -> c.DeliverAttempts:
    """This attempt, whose arguments are not here."""
    command = deliver(container, what)
    return msgspec.structs.replace(command, attempts=[lacking(each) for each in command.attempts])


def lacking(delivery: Delivery) -> Delivery:
    """The same without arguments."""
    return msgspec.structs.replace(delivery, payload=b"")


def test_the_first_that_needs_them_has_those_behind_it_read_too(play: Playbook) -> None:
    play >> function(max_containers=1) >> left_on_disk("a", 3) << start(1)
    play >> ready(1) << [read([("a", 0)], [("a", 1), ("a", 2)]), deliver_without(1, "a0#1")]
    play >> were_read(("a", 0), ("a", 1), ("a", 2))
    play >> finished(1, 1) << [deliver(1, "a1#2"), save("a", 0)]
    play >> finished(1, 2) << [deliver(1, "a2#3"), save("a", 1)]


def test_what_is_being_read_is_not_read_ahead_twice(play: Playbook) -> None:
    play >> function(max_containers=1) >> left_on_disk("a", 3) << start(1)
    play >> ready(1) << [read([("a", 0)], [("a", 1), ("a", 2)]), deliver_without(1, "a0#1")]
    play >> finished(1, 1) << [read([("a", 1)], []), deliver_without(1, "a1#2"), save("a", 0)]
    play >> were_read(("a", 0), ("a", 1), ("a", 2))
    play >> finished(1, 2) << [deliver(1, "a2#3"), save("a", 1)]


def test_calls_that_wait_turn_by_turn_are_read_ahead_so(play: Playbook) -> None:
    play >> function(max_containers=1) >> left_on_disk("a", 2) << start(1)
    play >> left_on_disk("b") >> left_on_disk("c")
    play >> ready(1) << [read([("a", 0)], [("b", 0), ("c", 0), ("a", 1)]), deliver_without(1, "a0#1")]


def test_inputs_that_bring_their_arguments_ask_for_none(play: Playbook) -> None:
    play >> function(max_containers=1) >> left_on_disk("a") << start(1)
    play >> submit("b", kind=CallKind.SPAWNED)
    play >> ready(1) << [read([("a", 0)], []), deliver_without(1, "a0#1")]
    play >> were_read(("a", 0))
    play >> finished(1, 1) << [deliver(1, "b0#2"), save("a", 0)]


def test_a_restored_input_may_have_left_its_arguments_on_the_disk(play: Playbook) -> None:
    play >> function()
    play >> e.InputsRestored("fc-a", "fu-f", "", [RestoredInput(0, b"", 0.0)], 1) << start(1)
    play >> ready(1) << [read([("a", 0)], []), deliver_without(1, "a0#1")]


def test_a_batch_asks_for_those_that_it_lacks_together(play: Playbook) -> None:
    play >> function(max_containers=1, max_batch_size=2, wait_ms=0) >> submit("a", kind=CallKind.SPAWNED) << start(1)
    play >> left_on_disk("b", 2)
    here, late = deliver_batch(1, "a0#1", "b0#2").attempts
    play >> ready(1) << [read([("b", 0)], [("b", 1)]), c.DeliverBatch(container_id(1), [here, lacking(late)])]
