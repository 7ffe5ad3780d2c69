"""A few seconds of chaos: it runs, harms, and finds nothing broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"


@pytest.mark.nightly
def test_a_short_run_reports_inputs_faults_and_no_violations(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(CHAOS), "--minutes", "0.15", "--seed", "7", "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=115)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["violations"] == []
    assert found["inputs"] == sum(found["outcomes"].values()) > 0
    assert sum(found["faults"].values()) > 0
