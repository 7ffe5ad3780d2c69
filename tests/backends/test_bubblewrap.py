"""The process backend within walls: the same promises, and what a container can neither see nor do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from motet.backends import spares
from motet.backends.base import NOT_STARTED, Launch
from motet.backends.walls.levels import lacking
from motet.model.isolation import Mount, Walls
from motet.model.template import TemplateSpec
from tests.backends.conftest import ProcessStage, wait_gone
from tests.contracts.backend_contract import BackendContract, Session, in_loop

needs_bubblewrap = pytest.mark.skipif(
    lacking("bubblewrap") is not None, reason=f"left out: no bubblewrap level here: {lacking('bubblewrap')}"
)


class WalledStage(ProcessStage):
    """Every container of it is within walls."""

    def entry(self, container_id: str, name: str, *arguments: Any, **env: str) -> Launch:
        launch = super().entry(container_id, name, *arguments, **env)
        return _with_walls(launch)


def _with_walls(launch: Launch, **walls: Any) -> Launch:
    return replace(launch, template=TemplateSpec(walls=Walls(isolation="bubblewrap", **walls)))


@needs_bubblewrap
class TestBubblewrapLevel(BackendContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> WalledStage:
        return WalledStage(tmp_path)


def _below(pid: int) -> list[int]:
    """All descendants of a process, in this one's numbers."""
    found = [pid]
    for each in found:
        found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found[1:]


@needs_bubblewrap
@in_loop
async def test_nothing_within_walls_is_left_when_the_container_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares, "QUIET", 3600.0)
    stage = WalledStage(tmp_path)
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "spawn"))
        await session.reports.wait_output("ta-x", "\n")
        pids = _below(stage.template)
        assert len(pids) == 6, "bubblewrap twice, what keeps the place, the container, a child and a daemon"
        session.backend.kill_nowait("ta-x")
        assert (await session.reports.wait_ended("ta-x")).code == -9
        wait_gone(pids)


@needs_bubblewrap
@in_loop
async def test_nothing_within_walls_is_left_when_the_template_is_killed(tmp_path: Path) -> None:
    stage = WalledStage(tmp_path)
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "spawn"))
        await session.reports.wait_output("ta-x", "\n")
        pids = _below(stage.template)
        stage.lose()
        assert (await session.reports.wait_ended("ta-x")).blameless
        wait_gone(pids)


@needs_bubblewrap
@in_loop
async def test_walls_that_cannot_be_made_are_told_in_bubblewraps_words(tmp_path: Path) -> None:
    stage = WalledStage(tmp_path)
    async with Session(stage) as session:
        mounts = (Mount(source="/no/such/directory", target="/data"),)
        session.backend.start_nowait(_with_walls(stage.entry("ta-x", "wait"), mounts=mounts))
        assert (await session.reports.wait_ended("ta-x")).code == NOT_STARTED
        assert "/no/such/directory" in session.reports.text("ta-x", "stderr")
