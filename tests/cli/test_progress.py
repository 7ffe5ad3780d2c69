from __future__ import annotations

import pytest
from tests.cli.views import app, container, function

from motet.cli.progress import Progress
from motet.cli.summary import summary_lines
from motet.model.views import LearnedTargetView


def test_function_nobody_called_is_left_out() -> None:
    progress = Progress(0.0)
    progress.observe(app(function("used", waiting_inputs=1), function("unused")), 1.0)
    assert [it.view.name for it in progress.functions] == ["used"]


def test_rate_is_that_of_the_last_seconds() -> None:
    progress = Progress(0.0)
    for second in range(10):
        done = 100 * second if second < 5 else 500
        progress.observe(app(function(succeeded_inputs=done, waiting_inputs=1)), float(second))
        if second == 4:
            assert progress.functions[0].rate == pytest.approx(100)
    assert progress.functions[0].rate == 0


def test_elapsed_counts_from_the_first_input_to_the_end_of_the_last() -> None:
    progress = Progress(0.0)
    progress.observe(app(function()), 5.0)
    progress.observe(app(function(running_inputs=2)), 5.5)
    progress.observe(app(function(succeeded_inputs=2)), 7.0)
    progress.observe(app(function(succeeded_inputs=2)), 60.0)
    assert progress.functions[0].elapsed == pytest.approx(2.0)


def test_run_shorter_than_the_time_between_views_is_timed_from_its_begin() -> None:
    progress = Progress(10.0)
    progress.observe(app(function(succeeded_inputs=2)), 10.2)
    assert progress.functions[0].elapsed == pytest.approx(0.2)


LEARNED = LearnedTargetView(target_inputs=14, confidence=0.8, curve=(), reason="the knee of what is known")


def summary_of(seconds: float, **fields: object) -> list[str]:
    progress = Progress(0.0)
    progress.observe(app(function(**fields)), seconds)
    return summary_lines(progress.functions)


@pytest.mark.parametrize(
    ("seconds", "fields", "lines"),
    [
        (
            1.2,
            {"succeeded_inputs": 1000, "started_containers": 10},
            ["fetch: 1,000 inputs in 10 containers in 1.2 s (833 inputs/s, 0 failed)"],
        ),
        (
            0.0312,
            {"succeeded_inputs": 1, "started_containers": 1},
            ["fetch: 1 input in 1 container in 31 ms (0 failed)"],
        ),
        (
            100.0,
            {"succeeded_inputs": 5, "failed_inputs": 2, "cancelled_inputs": 3, "started_containers": 2},
            ["fetch: 10 inputs in 2 containers in 1 min 40 s (0.07 inputs/s, 2 failed, 3 cancelled)"],
        ),
        (
            1.0,
            {"succeeded_inputs": 2, "running_inputs": 3, "waiting_inputs": 4, "started_containers": 1},
            ["fetch: 2 inputs in 1 container in 1.0 s (2.0 inputs/s, 0 failed)", "       7 inputs not finished"],
        ),
        (
            1.0,
            {"succeeded_inputs": 2, "started_containers": 1, "learned_target": LEARNED},
            [
                "fetch: 2 inputs in 1 container in 1.0 s (2.0 inputs/s, 0 failed)",
                "       target auto: 14 (confidence 0.8)",
            ],
        ),
        (1.0, {"containers": [container()]}, []),
    ],
)
def test_summary(seconds: float, fields: dict[str, object], lines: list[str]) -> None:
    assert summary_of(seconds, **fields) == lines
