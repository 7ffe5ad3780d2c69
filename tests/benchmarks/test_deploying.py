"""The benchmark of deployments runs, with a project too small to say anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DEPLOYING = Path(__file__).parents[2] / "benchmarks" / "deploying.py"


def test_each_changed_line_answers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DEPLOYING), "--files", "3", "--reps", "1"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first answer of the new version: median" in done.stdout
    assert "first deployment of 3 modules" in done.stdout
