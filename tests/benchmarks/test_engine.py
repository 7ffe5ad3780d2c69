"""The engine's benchmark runs. How fast it is, is not asserted: the machine is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ENGINE = Path(__file__).parents[2] / "benchmarks" / "engine.py"


def test_every_load_is_measured() -> None:
    command = [sys.executable, str(ENGINE), "--inputs", "200", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    rows = json.loads(done.stdout)
    assert len(rows) == 6
    assert all(row["us_per_input"] > 0 for row in rows)
