"""What holds for all tests: a home of their own for what they record, and how many of them run concurrently."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import settings


def pytest_configure(config: pytest.Config) -> None:
    """MOTET_HOME for everything that tests start, before any of them is imported, as some keep the environment; and no
    failures because one example took longer than hypothesis thinks it should."""
    home = tempfile.TemporaryDirectory(prefix="motet-home-", ignore_cleanup_errors=True)
    os.environ["MOTET_HOME"] = home.name
    config.add_cleanup(home.cleanup)
    settings.register_profile("any machine", settings.default, deadline=None)  # a busy one takes long for anything
    settings.load_profile("any machine")


def pytest_xdist_auto_num_workers() -> int:
    """For `pytest -n auto`: two workers a core, as most tests wait for processes rather than compute."""
    return 2 * len(os.sched_getaffinity(0))
