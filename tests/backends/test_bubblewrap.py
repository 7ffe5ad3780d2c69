"""The process backend within walls: the same promises, and what a container can neither see nor do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from motet.backends.base import Launch
from motet.backends.walls.levels import lacking
from motet.model.isolation import Walls
from motet.model.template import TemplateSpec
from tests.backends.conftest import ProcessStage
from tests.contracts.backend_contract import BackendContract

needs_bubblewrap = pytest.mark.skipif(
    lacking("bubblewrap") is not None, reason=f"left out: no bubblewrap level here: {lacking('bubblewrap')}"
)


class WalledStage(ProcessStage):
    """Every container of it is within walls."""

    def entry(self, container_id: str, name: str, *arguments: Any, **env: str) -> Launch:
        launch = super().entry(container_id, name, *arguments, **env)
        return _with_walls(launch)


def _with_walls(launch: Launch, **walls: Any) -> Launch:
    import dataclasses

    return dataclasses.replace(launch, template=TemplateSpec(walls=Walls(isolation="bubblewrap", **walls)))


@needs_bubblewrap
class TestBubblewrapLevel(BackendContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> WalledStage:
        return WalledStage(tmp_path)
