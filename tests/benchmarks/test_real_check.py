"""Simulated and measured loads are compared as it says they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from real_check import compare, fitted, within
from replay import Life, Replay

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "real_check.py"


def measured(latency: float, *lives: tuple[float, float]) -> Replay:
    moments = [Life(wanted=wanted, ready=wanted, told=ended, ended=ended) for wanted, ended in lives]
    return Replay(latencies=[latency] * 10, took=[latency] * 10, lives=moments, late=0.0, others=0.0)


@pytest.mark.parametrize(
    ("name", "simulated", "measured", "expected"),
    [
        ("p50", 1.09, 1.0, True),
        ("p50", 1.11, 1.0, False),
        ("p50", 0.89, 1.0, False),
        ("p50", 0.010, 0.029, True),
        ("p50", 0.010, 0.031, False),
        ("p99", 1.24, 1.0, True),
        ("p99", 0.15, 0.24, True),
        ("container_seconds", 109.0, 100.0, True),
        ("container_seconds", 111.0, 100.0, False),
        ("cold_starts", 1.0, 100.0, None),
    ],
)
def test_numbers_agree_within_their_tolerance(
    name: str, simulated: float, measured: float, expected: bool | None
) -> None:
    assert within(name, simulated, measured) is expected


def test_the_median_of_the_replays_is_compared() -> None:
    replays = [measured(latency, (0, 10), (5, 15)) for latency in (0.1, 0.5, 0.2)]
    rows = {row["what"]: row for row in compare("a load", {"p50": 0.2, "container_seconds": 30.0}, replays)}
    assert (rows["p50"]["measured"], rows["p50"]["within"]) == (0.2, True)
    assert (rows["container_seconds"]["measured"], rows["container_seconds"]["within"]) == (20.0, False)


def test_containers_are_counted_from_the_wish_to_the_end() -> None:
    numbers = measured(0.1, (0, 10), (5, 15), (10, 20), (12, 13)).numbers()
    assert numbers["container_seconds"] == 10 + 10 + 10 + 1
    assert (numbers["cold_starts"], numbers["peak_containers"]) == (4, 3)


def test_cold_starts_are_fitted_by_mean_and_variation() -> None:
    distribution = fitted([1.0, 2.0, 3.0])
    assert (distribution.mean, distribution.shape) == (2.0, "lognormal")
    assert distribution.spread == pytest.approx(0.408, abs=0.001)


@pytest.mark.nightly
def test_a_load_is_replayed_and_simulated(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    arguments = ["--quick", "--reps", "1", "--others", "99", "--only", "Sleeping flash", "--json", str(report)]
    command = [sys.executable, str(BENCHMARK), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode in (0, 1), ended.stderr  # what so short a load says of the simulator is left open
    rows = {row["what"]: row for row in json.loads(report.read_text())["rows"]}
    assert rows["p50"]["measured"] > 0
    assert rows["container_seconds"]["measured"] > 5
