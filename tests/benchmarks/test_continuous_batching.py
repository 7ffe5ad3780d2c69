"""The benchmark of continuous batching runs where PyTorch is, with sizes too small to say anything about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "continuous_batching.py"


def test_every_number_of_streams_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the model needs torch")
    report = tmp_path / "report.json"
    sizes = ["--at-once", "1", "3", "--layers", "1", "--width", "64", "--tokens", "6", "--reps", "1", "--no-graphs"]
    command = [sys.executable, str(PROGRAM), *sizes, "--json", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = json.loads(report.read_text())["rows"]
    assert [row["at_once"] for row in rows] == [1, 3]
    assert all(row["tokens_per_second"] > 0 and row["bare_tokens_per_second"] > 0 for row in rows)
    assert all(0 < row["first_token_median"] <= row["first_token_last"] for row in rows)
