"""The benchmark of the engine's cost by size runs. What it costs is not asserted: the machine is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SIZES = Path(__file__).parents[2] / "benchmarks" / "engine_sizes.py"


def test_every_size_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "sizes.json"
    command = [sys.executable, str(SIZES), "--rounds", "1", "--largest", "100", "--json", str(file)]
    subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    rows = json.loads(file.read_text())["rows"]
    assert [(row["there"], row["what"]) for row in rows] == [
        ("10 containers", "an input"),
        ("100 containers", "an input"),
        ("10 containers", "a container"),
        ("100 containers", "a container"),
        ("100 waiting inputs", "an input"),
    ]
    assert all(us > 0 for row in rows for us in row["us"])
