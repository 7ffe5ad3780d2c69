"""Spares: what a container that was one has, when one is made and ends, and what happens if one cannot serve."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from motet.backends import spares
from motet.backends.base import Launch
from motet.backends.walls.cgroups import ControlGroups
from motet.model.isolation import NO_LIMITS, Limits, Mount, Walls
from motet.model.template import TemplateSpec
from motet.wire.template import Preload, encode_preload
from tests.backends.conftest import ProcessStage, wait_gone
from tests.backends.test_bubblewrap import needs_bubblewrap
from tests.contracts.backend_contract import Session, in_loop

APP = 0x78000123
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="left out: only root can have users of apps")
needs_groups = pytest.mark.skipif(
    ControlGroups().kept != {"memory", "cpu", "pids"}, reason="left out: no control groups here"
)


@pytest.fixture(autouse=True)
def made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "QUIET", 0.0)


@pytest.fixture(autouse=True)
def open_to_users_of_apps(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def within(launch: Launch, walls: Walls, limits: Limits = NO_LIMITS) -> Launch:
    return replace(launch, template=TemplateSpec(walls=walls), limits=limits)


async def surroundings(session: Session, launch: Launch) -> dict[str, Any]:
    session.backend.start_nowait(launch)
    ended = await session.reports.wait_ended(launch.container_id)
    assert ended.code == 0, session.reports.text(launch.container_id, "stderr")
    told: dict[str, Any] = json.loads(session.reports.text(launch.container_id))
    return told


def without(names: tuple[str, ...], told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}


def spares_of(stage: ProcessStage) -> list[spares.ReadyPlace]:
    return list(stage.process_backend._spares._ready.values())


WALLS = [
    pytest.param(Walls(), NO_LIMITS, id="process"),
    pytest.param(Walls(), Limits(memory=2**28, cpu=1.0, pids=64), id="limits", marks=needs_groups),
    pytest.param(Walls(uid=APP), NO_LIMITS, id="app user", marks=needs_root),
    pytest.param(
        Walls(isolation="bubblewrap", uid=APP if os.geteuid() == 0 else None),
        Limits(pids=64),
        id="bubblewrap",
        marks=needs_bubblewrap,
    ),
]


@pytest.mark.parametrize(("walls", "limits"), WALLS)
@in_loop
async def test_a_container_that_was_a_spare_has_what_every_container_has(
    stage: ProcessStage, walls: Walls, limits: Limits
) -> None:
    async with Session(stage) as session:
        launches = [
            within(stage.entry(f"ta-{number}", "tell_surroundings", NAME=f"{number}"), walls, limits)
            for number in range(3)
        ]
        first, *others = [await surroundings(session, launch) for launch in launches]
        for number, told in enumerate(others, 1):
            if walls.isolation == "process":
                assert Path(told["cwd"]).name == f"s{number}", "it was the spare"
            assert told["env"][b"NAME".hex()] == f"{number}".encode().hex()
            if limits.memory is not None:
                assert told["groups"] != first["groups"]
            own = ("env", "child_env", "cwd", "groups")
            assert without(own, told) == without(own, first)
        [left] = spares_of(stage)
        assert left.directory.name == "s3"
    assert not left.directory.exists()


@needs_groups
@in_loop
async def test_the_limits_of_a_spare_are_those_of_its_container(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        limits = Limits(memory=2**26)
        for number in range(2):
            launch = within(stage.entry(f"ta-{number}", "take_memory", 2**28), Walls(), limits)
            session.backend.start_nowait(launch)
            ended = await session.reports.wait_ended(launch.container_id)
            assert ended.description == "used more than its 64 MiB of memory, and was ended"
        [place] = spares_of(stage)
        groups = [Path(join).parent for join in place.joins]
        assert all(group.is_dir() for group in groups)
    assert not any(group.exists() for group in groups)


@in_loop
async def test_a_spare_that_has_died_is_done_without(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        await surroundings(session, stage.entry("ta-1", "tell_surroundings"))
        waiting = await spare_processes(session, stage)
        assert waiting
        for spare in waiting:
            os.kill(spare, signal.SIGKILL)
        wait_gone(waiting)
        told = await surroundings(session, stage.entry("ta-2", "tell_surroundings"))
        assert Path(told["cwd"]).name == "s1", "its place served all the same"


@needs_groups
@in_loop
async def test_a_group_of_a_spare_that_others_took_for_left_behind_is_made_again(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        limits = Limits(memory=2**26)
        await surroundings(session, within(stage.entry("ta-1", "tell_surroundings"), Walls(), limits))
        [place] = spares_of(stage)
        waiting = await spare_processes(session, stage)
        for spare in waiting:
            os.kill(spare, signal.SIGKILL)
        wait_gone(waiting)
        for join in place.joins:
            os.rmdir(os.path.dirname(join))
        told = await surroundings(session, within(stage.entry("ta-2", "tell_surroundings"), Walls(), limits))
        assert f"memory:/motet/{place.name}" in told["groups"]


async def spare_processes(session: Session, stage: ProcessStage) -> list[int]:
    """A template that has answered has done what it was asked before."""
    session.backend.start_nowait(within(stage.entry("ta-asks", "tell_template_and_stay"), Walls(), Limits(disk=2**40)))
    await session.reports.wait_output("ta-asks", "\n")
    return [pid for pid in children_of(stage.template) if pid != stage.pid("ta-asks")]


@in_loop
async def test_what_a_container_opens_has_no_number_that_its_template_closes(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        for number in range(6):
            limits = Limits(disk=(1 + number % 3) * 2**30)
            launch = within(stage.entry(f"ta-{number}", "keep_files"), Walls(), limits)
            session.backend.start_nowait(launch)
            ended = await session.reports.wait_ended(launch.container_id)
            assert ended.code == 0, session.reports.text(launch.container_id, "stderr")


@in_loop
async def test_no_spare_outlives_its_template(stage: ProcessStage) -> None:
    async with Session(stage) as session:
        await surroundings(session, stage.entry("ta-1", "tell_surroundings"))
        await surroundings(session, stage.entry("ta-2", "tell_surroundings"))
        children = children_of(stage.template)
        stage.lose()
        await session.reports.wait_until(lambda: session.reports.lost)
        wait_gone(children)
        told = await surroundings(session, stage.entry("ta-3", "tell_surroundings"))
        assert not Path(told["cwd"]).name.startswith("s")


@needs_bubblewrap
@in_loop
async def test_what_was_replaced_since_a_spare_was_made_is_seen_as_it_is_now(
    stage: ProcessStage, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    mounts = (Mount(source=str(shown), target="/shown"),)
    walls = Walls(isolation="bubblewrap", uid=APP if os.geteuid() == 0 else None, mounts=mounts)
    async with Session(stage) as session:
        for number in range(3):
            (tmp_path / f"new-{number}").mkdir()
            (tmp_path / f"new-{number}/file").write_text(f"{number}")
            if shown.exists():
                shown.rename(tmp_path / f"old-{number}")
            (tmp_path / f"new-{number}").rename(shown)
            launch = within(stage.entry(f"ta-{number}", "print_file", "/shown/file"), walls)
            session.backend.start_nowait(launch)
            ended = await session.reports.wait_ended(launch.container_id)
            assert ended.code == 0, session.reports.text(launch.container_id, "stderr")
            assert session.reports.text(launch.container_id) == f"{number}\n"


@in_loop
async def test_of_too_many_kinds_the_one_that_started_longest_ago_has_no_spare(
    stage: ProcessStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spares, "MOST", 2)
    async with Session(stage) as session:
        for number in range(1, 4):
            limits = Limits(disk=number * 2**30)
            await surroundings(session, within(stage.entry(f"ta-{number}", "tell_surroundings"), Walls(), limits))
        kinds = list(stage.process_backend._spares._ready)
        assert [kind.limits.disk for kind in kinds] == [2 * 2**30, 3 * 2**30]
        assert {each.name for each in stage.scratch.glob("*/1/s*")} == {"s2", "s3"}


@in_loop
async def test_a_spare_that_nobody_needs_ends(stage: ProcessStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "WINDOW", 0.0)
    async with Session(stage) as session:
        await surroundings(session, stage.entry("ta-1", "tell_surroundings"))
        ready = stage.process_backend._spares
        await session.reports.wait_until(lambda: not ready._ready and not ready._timers)
        told = await surroundings(session, stage.entry("ta-2", "tell_surroundings"))
        assert Path(told["cwd"]).name == "2"
    assert list(stage.scratch.iterdir()) == []


@needs_root
@in_loop
async def test_devices_of_the_machine_stay_roots(stage: ProcessStage) -> None:
    """A template writes to /dev/null, and what an app's user owns it may shut to all others."""
    preload = encode_preload(Preload(json.dumps(["imports", "imported"]).encode(), ((b"PATH", b"/usr/bin"),)))
    spec = TemplateSpec(walls=Walls(uid=APP), preload=preload)
    async with Session(stage) as session:
        launch = replace(stage.entry("ta-1", "reopen_streams"), template=spec)
        session.backend.start_nowait(launch)
        ended = await session.reports.wait_ended("ta-1")
        assert ended.code == 0, session.reports.text("ta-1", "stderr")
        assert session.reports.text("ta-1").endswith("reopened\n")
    assert os.stat(os.devnull).st_uid != APP
