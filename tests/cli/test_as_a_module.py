"""`python -m motet` is the command."""

from __future__ import annotations

import subprocess
import sys


def test_the_package_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "motet", "run", "--help"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Run a function or local entrypoint" in done.stdout
