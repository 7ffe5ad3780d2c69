"""What holds for all tests: whatever they run is recorded in a directory of theirs, not in the user's home."""

from __future__ import annotations

import os
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """MOTET_HOME for everything that tests start; before any of them is imported, as some keep the environment."""
    home = tempfile.TemporaryDirectory(prefix="motet-home-", ignore_cleanup_errors=True)
    os.environ["MOTET_HOME"] = home.name
    config.add_cleanup(home.cleanup)
