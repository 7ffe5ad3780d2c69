"""The benchmark of cancellations runs. How soon they come is not asserted: the machine is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CANCELLATION = Path(__file__).parents[2] / "benchmarks" / "cancellation.py"


def test_every_way_is_measured_and_no_neighbour_harmed(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, str(CANCELLATION), "--cancels", "3", "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == 13, done.stderr
    assert all(0 < row["p50"] <= row["p99"] for row in rows)
    assert [row for row in rows if row["harmed"]] == []
