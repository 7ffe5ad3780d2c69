"""How long a test of simulations may take: it waits for nothing, and computes for up to 10 s of a core that may be shared by
twenty."""

from __future__ import annotations

from pathlib import Path

import pytest

SECONDS = 600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(SECONDS))
