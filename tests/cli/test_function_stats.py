"""The numbers of a function."""

from __future__ import annotations

import pytest

from motet.cli.function_stats import Percentiles, execution, function_stats, queuing
from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.records.pools import ContainerRecord

OK, LOST, FAILED = OutcomeKind.SUCCESS, OutcomeKind.LOST, OutcomeKind.FAILURE


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], (None, None, None, None)),
        ([2.0], (2.0, 2.0, 2.0, 2.0)),
        ([4.0, 1.0, 3.0, 2.0], (2.0, 4.0, 4.0, 4.0)),
        (list(range(1, 101)), (50, 95, 99, 100)),
    ],
)
def test_percentiles_are_durations_that_there_were(durations: list[float], expected: tuple[float | None, ...]) -> None:
    found = Percentiles.of(durations)
    assert (found.p50, found.p95, found.p99, found.most) == expected


def an_input(index: int, *attempts: AttemptRecord, kind: OutcomeKind = OK) -> InputRecord:
    return InputRecord.of("fc-1", index, 0.0, 10.0, kind, attempts)


def test_inputs_and_containers_are_counted() -> None:
    inputs = [
        an_input(0, AttemptRecord("ta-1", 1.0, 3.0, OK, 1.5, 2.5)),
        an_input(1, AttemptRecord("ta-1", 2.0, 3.0, LOST), AttemptRecord("ta-2", 4.0, 9.0, OK, 5.0, 8.0)),
        an_input(2, AttemptRecord("ta-1", 3.0, 4.0, FAILED), AttemptRecord("ta-2", 5.0, 9.0, FAILED), kind=FAILED),
        an_input(3, kind=OutcomeKind.TIMED_OUT),
    ]
    containers = [
        ContainerRecord("ta-1", "fu-1", 0.0, 0.1, "", 0.2, 0.3, 0.5, 7.0),
        ContainerRecord("ta-2", "fu-1", 0.0, 0.1),
    ]
    stats = function_stats(inputs, containers)
    assert stats.inputs == {"success": 2, "failure": 1, "timed out": 1}
    assert (stats.retried, stats.redelivered) == (1, 1)
    assert (stats.waits.p50, stats.waits.most) == (2.0, 3.0)
    assert (stats.runs.p50, stats.runs.most) == (3.0, 4.0)
    assert (stats.containers_started, stats.containers_ended, stats.cold_starts.p50) == (2, 1, 0.5)


def test_time_without_an_attempt_is_all_queuing() -> None:
    assert (queuing(an_input(0)), execution(an_input(0))) == (10.0, None)


def test_execution_is_the_containers_account_or_else_the_servers() -> None:
    assert execution(an_input(0, AttemptRecord("ta-1", 1.0, 3.0, OK, 1.5, 2.5))) == 1.0
    assert execution(an_input(0, AttemptRecord("ta-1", 1.0, 3.0, OK))) == 2.0
