"""Functions whose inputs run in batches, on virtual time."""

from __future__ import annotations

import pytest

from motet.errors import InvalidError
from motet.model.scaling import Batching
from motet.simulation.curve import Curve
from motet.simulation.report import Report
from motet.simulation.scenario import batching_for
from motet.simulation.trace import Trace, make_trace
from tests.simulation.loads import load, run


def run_batches(trace: Trace, size: int, wait_ms: int | str, curve: str = "gpu-batch:0.9", **others: object) -> Report:
    batching = batching_for(size, wait_ms)  # type: ignore[arg-type]
    return run(trace, batching=batching, curve=Curve.parse(curve), **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("curve", "durations", "expected"),
    [
        ("io", [1, 3, 2], 3),
        ("gil", [1, 3, 2], 6),
        ("gil:0.5", [1, 3, 2], 3),
        ("gil:0.25", [1, 3, 2], 3),
        ("gpu-batch:0.9", [2], 2),
        ("gpu-batch:0.9", [1] * 11, 2),
        ("gpu-batch:0.5", [1, 3], 0.5 * 3 + 0.5 * 4),
    ],
)
def test_a_batch_takes_as_long_as_the_curve_says(curve: str, durations: list[float], expected: float) -> None:
    assert Curve.parse(curve).batch(durations) == pytest.approx(expected)


def test_a_full_batch_leaves_at_once_and_takes_one_slot() -> None:
    report = run_batches(load((10, 4), duration=2), 4, 5_000, "gpu-batch:0.5", min_containers=1)
    assert (report.p50, report.p99) == (5.0, 5.0)  # 0.5 * 2 + 0.5 * 8
    assert (report.peak_containers, report.peak_inputs) == (1, 4)


def test_a_batch_that_is_not_full_waits_from_its_first_input_on() -> None:
    report = run_batches(load((10, 1), (10.2, 1), duration=1), 4, 500, "io", min_containers=1)
    assert report.p99 == pytest.approx(0.5 + 1)
    assert report.p50 == pytest.approx(0.3 + 1)


def test_a_batch_goes_there_and_back_once() -> None:
    report = run_batches(load((10, 4), duration=2), 4, 0, "io", min_containers=1, overhead=0.5)
    assert (report.p50, report.p99) == (2.5, 2.5)


def test_inputs_of_a_batch_are_counted_and_fail_one_by_one() -> None:
    report = run_batches(load(*((second, 20) for second in range(50))), 10, 100, input_failures=0.25)
    assert 200 < report.errors < 300
    assert report.unfinished == 0


def test_batches_whose_container_died_run_elsewhere() -> None:
    trace = load(*((second, 10) for second in range(60)), duration=3)
    report = run_batches(trace, 5, 100, max_inputs=2, container_failures=0.02)
    assert report.cold_starts > 6
    assert report.errors < 30
    assert report.unfinished == 0


@pytest.mark.nightly
def test_a_learned_wait_is_as_good_as_one_that_was_chosen_well() -> None:
    arrivals = make_trace("poisson", 1, 60, 120).arrivals
    trace = Trace(name="test", arrivals=arrivals, durations=[0.2] * len(arrivals))

    def mean(wait_ms: int | str) -> float:
        return run_batches(trace, 16, wait_ms, min_containers=1, max_containers=2).mean or 0.0

    chosen = {wait_ms: mean(wait_ms) for wait_ms in (0, 50, 200, 1000)}
    assert mean("auto") < 1.2 * min(chosen.values()), chosen


@pytest.mark.parametrize(
    ("size", "wait_ms", "complaint"),
    [
        (0, 10, "batch_size must be between 1 and 1000, got 0"),
        (1001, 10, "batch_size must be between 1 and 1000, got 1001"),
        (4, -1, "wait_ms must be auto or between 0 and 600000, got -1"),
        (4, None, "batch_size and wait_ms go together"),
        (None, 10, "batch_size and wait_ms go together"),
    ],
)
def test_batching_that_cannot_be_is_refused(size: int | None, wait_ms: int | None, complaint: str) -> None:
    with pytest.raises(InvalidError, match=complaint):
        batching_for(size, wait_ms)


def test_without_either_number_there_are_no_batches() -> None:
    assert batching_for(None, None) is None
    assert batching_for(4, "auto") == Batching(max_batch_size=4, wait_ms="auto")
