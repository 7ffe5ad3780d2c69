"""What is counted of inputs that end and containers that come and go."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from motet.core import commands as c
from motet.model.attempt import AttemptRecord
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.records.pools import FunctionRecord
from motet.records.successes import Successes
from motet.server.facts import FunctionDeclared, FunctionGone
from motet.server.metrics.histogram import BOUNDS, Histogram
from motet.server.metrics.tally import KEPT_AFTER_END, WAITING_INPUTS, Counts, Tally

SUCCESS, FAILURE, LOST, CANCELLED = (
    OutcomeKind.SUCCESS,
    OutcomeKind.FAILURE,
    OutcomeKind.LOST,
    OutcomeKind.CANCELLED,
)


def declared(function_id: str) -> FunctionDeclared:
    return FunctionDeclared(FunctionRecord(function_id, "ap-1", "price", 1, 1), "shop", has_pool=True)


def attempt(
    delivered: float, ended: float, kind: OutcomeKind = SUCCESS, began: float = 0.0, finished: float = 0.0
) -> AttemptRecord:
    return AttemptRecord("ta-1", delivered, ended, kind, began, finished)


def ended(kind: OutcomeKind, *attempts: AttemptRecord, at: float = 10.0) -> InputRecord:
    return InputRecord.of("fc-1", 0, 1.0, at, kind, attempts)


def succeeded(call_id: str = "fc-1", began: float = 4.0) -> Successes:
    return Successes(call_id, [7], [1.0], [9.0], ["ta-1"], [3.0], [began], [8.5])


def counted(*records: InputRecord) -> Counts:
    tally = Tally()
    tally.told(declared("fu-1"))
    tally.turned((), [c.RecordInputs("fu-1", list(records))], 0.0)
    return tally.counts()["shop", "price"]


def total(histogram: Histogram) -> int:
    return histogram.cumulative()[-1][1]


def test_an_input_is_timed_by_its_submission_its_delivery_its_end_and_its_container() -> None:
    counts = counted(ended(SUCCESS, attempt(3.0, 9.0, began=4.0, finished=8.5), at=9.0))
    assert (counts.queued.sum, counts.execution.sum, counts.latency.sum) == (2.0, 4.5, 8.0)


def test_the_queue_of_a_retried_input_is_its_first_and_its_execution_its_last() -> None:
    counts = counted(ended(SUCCESS, attempt(2.0, 3.0, FAILURE), attempt(5.0, 6.0, LOST), attempt(7.0, 9.0), at=9.0))
    assert (counts.queued.sum, counts.execution.sum, counts.latency.sum) == (1.0, 2.0, 8.0)
    assert counts.retries == {FAILURE: 1, LOST: 1}
    assert counts.ended[SUCCESS] == 1


def test_an_input_that_was_never_delivered_has_a_latency_alone() -> None:
    counts = counted(ended(CANCELLED))
    assert (total(counts.queued), total(counts.execution), counts.latency.sum) == (0, 0, 9.0)
    assert counts.ended[CANCELLED] == 1


def test_an_input_cancelled_while_its_retry_waited_counts_its_attempt_as_its_last() -> None:
    record = InputRecord("fc-1", 0, 1.0, 9.0, CANCELLED, earlier=(attempt(2.0, 4.0, FAILURE),))
    counts = counted(record)
    assert (counts.queued.sum, counts.execution.sum, sum(counts.retries.values())) == (1.0, 2.0, 0)


def test_successes_are_counted_when_enough_have_come_and_none_twice() -> None:
    tally = Tally()
    tally.told(declared("fu-1"))
    for number in range(3 * WAITING_INPUTS):
        tally.turned((), [c.RecordSuccesses("fu-1", succeeded(f"fc-{number % 2}"))], 0.0)
    for _ in range(2):
        assert tally.counts()["shop", "price"].ended[SUCCESS] == 3 * WAITING_INPUTS


def test_successes_are_timed_as_other_inputs_are_and_are_left_as_they_were() -> None:
    inputs = succeeded()
    inputs.extend(succeeded("fc-1", 0.0))
    before = inputs.copy()
    counts, same = counted(*inputs.records()), Tally()
    same.told(declared("fu-1"))
    for _ in range(2):
        same.turned((), [c.RecordSuccesses("fu-1", inputs)], 0.0)
    assert inputs == before
    twice = same.counts()["shop", "price"]
    for one, two in (
        (counts.queued, twice.queued),
        (counts.execution, twice.execution),
        (counts.latency, twice.latency),
    ):
        assert [(bound, 2 * count) for bound, count in one.cumulative()] == two.cumulative()
        assert two.sum == 2 * one.sum


def test_inputs_told_of_after_their_app_has_ended_are_counted_and_those_of_no_function_are_not() -> None:
    tally = Tally()
    tally.told(declared("fu-1"))
    tally.told(FunctionGone("fu-1"))
    tally.turned((), [c.RecordInputs("fu-1", [ended(CANCELLED)])], 0.0)
    tally.turned((), [c.RecordInputs("fu-unknown", [ended(LOST)])], 0.0)
    counts = tally.counts()
    assert list(counts) == [("shop", "price")]
    assert counts["shop", "price"].ended[CANCELLED] == 1
    assert tally.name("fu-1") is None


def test_containers_are_counted_by_how_they_ended() -> None:
    tally = Tally()
    tally.told(declared("fu-1"))
    tally.turned((), [c.StartContainer("ta-1", "fu-1", "why")], 0.0)
    tally.turned((), [c.RecordStart("fu-1", 2.0)], 0.0)
    tally.turned((), [c.RecordEnd("fu-1", "died")], 0.0)
    counts = tally.counts()["shop", "price"]
    assert (counts.container_starts, counts.start.sum) == (1, 2.0)
    assert counts.container_ends == {"stopped": 0, "failed": 0, "died": 1}


@given(st.lists(st.lists(st.floats(0, 1e4))))
def test_a_histogram_counts_each_duration_once_for_every_bound_that_is_no_less(batches: list[list[float]]) -> None:
    histogram = Histogram()
    for batch in batches:
        histogram.add(batch)
    values = [value for batch in batches for value in batch]
    assert histogram.cumulative() == [(bound, sum(value <= bound for value in values)) for bound in (*BOUNDS, inf)]


def test_names_of_functions_that_are_gone_are_not_kept_though_nobody_asks_and_nothing_is_missing() -> None:
    tally = Tally()
    for number in range(1000):
        tally.told(declared(f"fu-{number}"))
        tally.turned((), [c.RecordSuccesses(f"fu-{number}", succeeded())], 0.0)
        tally.told(FunctionGone(f"fu-{number}"))
        tally.turned((), [c.RecordInputs(f"fu-{number}", [ended(FAILURE)])], 0.0)
    assert len(tally._names) == len(tally._gone) <= KEPT_AFTER_END
    assert len(tally._succeeded) <= KEPT_AFTER_END
    counts = tally.counts()["shop", "price"]
    assert (counts.ended[SUCCESS], counts.ended[FAILURE]) == (1000, 1000)
    assert (tally._names, tally._gone, tally._succeeded) == ({}, [], {})
