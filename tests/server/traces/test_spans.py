"""What inputs waited for, as spans."""

from __future__ import annotations

from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord
from motet.records.timeline import timeline
from motet.server.traces.spans import waits


def waits_of(*attempts: AttemptRecord, ended: float, containers: dict[str, ContainerRecord]) -> list[list[str]]:
    record = InputRecord.of("fc-1", 0, 1.0, ended, OutcomeKind.SUCCESS, attempts)
    return [[span.phase for span in wait] for wait in waits(timeline(record, containers))]


def test_each_attempt_has_its_wait_with_its_containers_start_in_it() -> None:
    started = ContainerRecord("ta-1", "fu-1", 1.0, 1.5, "", 2.0, 3.0, 4.0)
    first = AttemptRecord("ta-1", 4.0, 6.0, OutcomeKind.LOST)
    second = AttemptRecord("ta-2", 7.0, 8.0, OutcomeKind.SUCCESS, 7.1, 7.9)
    assert waits_of(first, second, ended=8.0, containers={"ta-1": started}) == [
        ["placing", "starting", "loading", "entering"],
        ["slot"],
    ]


def test_an_input_that_was_never_delivered_has_waited_to_its_end() -> None:
    assert waits_of(ended=5.0, containers={}) == [["queued"]]


def test_an_input_that_was_delivered_at_once_has_waited_for_nothing() -> None:
    assert waits_of(AttemptRecord("ta-1", 1.0, 2.0, OutcomeKind.SUCCESS), ended=2.0, containers={}) == []
