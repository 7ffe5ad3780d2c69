from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidError
from motet.simulation.curve import Curve
from motet.simulation.measured_curve import MeasuredCurve, ascending
from motet.simulation.measurement import MIB, Measurement, Step, is_exhausted

DOUBLED = (1, 2, 4, 8, 16, 32, 64)


def io(inputs: int) -> float:
    return 0.2


def cpu(inputs: int) -> float:
    return 0.05 * inputs


def tenth(inputs: int) -> float:
    """A tenth of the time of an input is computing."""
    return 0.1 * max(1.0, 0.1 * inputs)


def gpu(inputs: int) -> float:
    return 0.9 + 0.1 * inputs


def measured(latency: Callable[[int], float], steps: tuple[int, ...] = DOUBLED, **others: float | None) -> Measurement:
    return Measurement(
        steps=tuple(Step(inputs=it, latencies=(latency(it),) * 3, **others) for it in steps),  # type: ignore[arg-type]
        cold_start=0.5,
    )


@pytest.mark.parametrize(("latency", "knee"), [(io, 64), (cpu, 1), (tenth, 8), (gpu, 8)])
def test_knee_is_where_more_inputs_cost_more_than_they_bring(latency: Callable[[int], float], knee: int) -> None:
    assert measured(latency).knee.inputs == knee


def test_knee_of_inputs_that_compute_a_tenth_of_their_time_is_ten_of_them() -> None:
    assert measured(tenth, tuple(range(1, 30))).knee.inputs == 10


def test_throughput_follows_from_latency_because_all_clients_always_wait() -> None:
    assert Step(inputs=8, latencies=(0.3, 0.4, 0.5)).throughput == pytest.approx(20)


def test_verdict_names_a_function_that_computes() -> None:
    verdict = measured(cpu, (1, 2, 4), cores=0.97).verdict()
    assert verdict.startswith(
        "CPU-bound: p95 grows as fast as concurrency (4 at once: p95 4 times, throughput 1 times)"
    )
    assert verdict.endswith("use max_inputs=1 or batching.")


def test_verdict_does_not_mistake_a_busy_machine_for_a_lock() -> None:
    busy = measured(cpu, (1, 2, 4), cores=0.3, waited=0.6)
    assert busy.verdict().startswith("CPU-bound")
    assert "for 60% of the time" in busy.disturbance()
    assert measured(cpu, (1, 2, 4), cores=0.95, waited=0.01).disturbance() == ""


def test_verdict_tells_a_lock_from_computing_by_the_processor_time() -> None:
    verdict = measured(cpu, (1, 2, 4), cores=0.02).verdict()
    assert verdict.startswith("One at a time: p95 grows as fast as concurrency")
    assert "only 0.02 cores" in verdict
    assert "a lock" in verdict


def test_verdict_on_an_async_function_names_the_event_loop() -> None:
    steps = measured(cpu, (1, 2, 4), cores=0.02).steps
    assert "blocks the event loop" in Measurement(steps=steps, cold_start=0.0, is_async=True).verdict()


def test_verdict_without_processor_times_still_says_that_it_does_not_help() -> None:
    assert measured(cpu, (1, 2, 4)).verdict().startswith("Concurrency does not help: p95 grows as fast")


def test_verdict_says_how_far_concurrency_helps_and_what_comes_then() -> None:
    verdict = measured(tenth, cores=0.99).verdict()
    assert verdict.startswith(
        "Concurrency helps up to 8 inputs at once: throughput is 8 times that of one, p95 1 times."
    )
    assert "At 64, throughput is 1.25 times that, p95 6.4 times (the container uses 0.99 cores)" in verdict


def test_verdict_says_that_more_was_not_tried() -> None:
    assert measured(io).verdict().endswith("p95 1 times. More were not tried.")
    assert "nothing is known about more" in measured(io, (1,)).verdict()


@pytest.mark.parametrize(
    ("latency", "steps", "exhausted"),
    [
        (cpu, (1, 2), False),
        (cpu, (1, 2, 4), True),
        (io, DOUBLED, False),
        (tenth, (1, 2, 4, 8, 16), False),
        (tenth, DOUBLED, True),
    ],
)
def test_measuring_ends_when_four_times_as_many_bring_no_more(
    latency: Callable[[int], float], steps: tuple[int, ...], exhausted: bool
) -> None:
    assert is_exhausted(measured(latency, steps).steps) == exhausted


def test_memory_is_a_line_through_the_peaks() -> None:
    steps = tuple(Step(inputs=it, latencies=(1.0,), peak_bytes=(30 + 2 * it) * MIB) for it in (1, 2, 4, 8))
    container, each = Measurement(steps=steps, cold_start=0.0).memory or (0, 0)
    assert container == pytest.approx(30 * MIB)
    assert each == pytest.approx(2 * MIB)


def test_memory_of_an_input_is_not_negative_and_not_guessed_from_one_step() -> None:
    falling = tuple(Step(inputs=it, latencies=(1.0,), peak_bytes=(30 - it) * MIB) for it in (1, 2, 4))
    assert (Measurement(steps=falling, cold_start=0.0).memory or (0, -1))[1] == 0
    assert Measurement(steps=falling[:1], cold_start=0.0).memory is None
    assert measured(io).memory is None


# --- the curve ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latency", "curve"), [(io, Curve()), (cpu, Curve("gil", 1.0)), (gpu, Curve("gpu-batch", 0.9))]
)
def test_measured_curve_is_the_one_that_was_measured(latency: Callable[[int], float], curve: Curve) -> None:
    assert measured(latency).curve.speeds(64) == pytest.approx(curve.speeds(64))


def test_beyond_what_was_measured_throughput_stays() -> None:
    speeds = measured(tenth).curve.speeds(200)
    assert speeds[200] * 200 == pytest.approx(speeds[64] * 64)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=8))
def test_more_inputs_are_never_quicker_and_never_quicker_than_alone(latencies: list[float]) -> None:
    curve = MeasuredCurve.of([(2**i, latency) for i, latency in enumerate(latencies)])
    speeds = curve.speeds(2 ** len(latencies))
    assert speeds[0] == speeds[1] == 1
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(speeds))


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_ascending_values_keep_their_sum_and_change_nothing_that_ascends(values: list[float]) -> None:
    result = ascending(values)
    assert result == sorted(result)
    assert sum(result) == pytest.approx(sum(values))
    assert ascending(sorted(values)) == sorted(values)


@pytest.mark.parametrize(
    ("inputs", "slowdowns"),
    [((), ()), ((2, 4), (1.0, 2.0)), ((1, 1), (1.0, 1.0)), ((1, 2), (1.0,)), ((1, 2), (1.0, 0.5))],
)
def test_a_curve_that_cannot_be_is_refused(inputs: tuple[int, ...], slowdowns: tuple[float, ...]) -> None:
    with pytest.raises(InvalidError):
        MeasuredCurve(inputs, slowdowns)


def test_nearest_step_is_the_last_with_no_more_inputs() -> None:
    steps = measured(io)
    assert [steps.nearest(it).inputs for it in (1, 3, 8, 1000)] == [1, 2, 8, 64]
