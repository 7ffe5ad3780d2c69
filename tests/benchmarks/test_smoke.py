"""The benchmarks run, with sizes too small to say anything about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"


@pytest.mark.parametrize(
    ("workload", "row"),
    [
        ("from-nothing", "app.run() from nothing, first result"),
        ("remote", "no-op .remote() p50, async"),
        ("map-async", "no-op .map of 10, async"),
        ("map-threads", "... off their mean, sync threads"),
        ("streams", "items of 64 streams at once, async, an item per turn"),
        ("sleeps", "1000 x sleep(0.1), sync"),
        ("long-sleeps", "100 x sleep(1), async"),
        ("cold-start", "cold start, first result"),
        ("snapshots", "cold start, numpy and FastAPI, memory snapshot"),
        ("burst", "200 x sleep(0.5), 0 to 8 containers, sync"),
        ("million", "... memory of containers, peak"),
    ],
)
def test_workload_gives_its_rows(workload: str, row: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(RUN), "--quick", "--reps", "2", "--only", workload, "--json", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    rows = {each["name"]: each for each in json.loads(report.read_text())["rows"]}
    assert rows[row]["median"] >= 0
    assert row in ended.stdout


def test_soak_notes_the_memory_of_each_role(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(RUN.with_name("soak.py")), "--minutes", "0.02", "--json", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "client and server" in ended.stdout, ended.stderr  # so short a time says nothing about growth
    samples = json.loads(report.read_text())["samples"]
    assert all(memory["client and server"] > 0 for _, memory in samples)
