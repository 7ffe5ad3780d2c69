"""The table of walls in docs/security.md says what holds on each level, and what does not: both are tried."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import socket
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from motet.backends.base import Launch
from motet.backends.oci.backend import OciBackend, _InImage
from motet.backends.process import ProcessBackend
from motet.backends.walls.levels import lacking
from motet.model.isolation import NO_LIMITS, Isolation, Limits, Mount, Walls
from motet.model.template import TemplateSpec
from motet.server.containers.app_users import missing_rights
from tests.backends.conftest import ROOT, template_env
from tests.contracts.backend_contract import RecordingReports
from tests.images.oci.machine import OciMachine, why_not
from tests.security.escapes import ATTEMPTS, began_at

APP = 0x78000000
"""The user of an app."""
ENTRY = "tests.security.escapes:play"
BEGINS, ENDS = "s3cr3t", "-of-the-victim"


def table() -> dict[str, dict[str, str]]:
    """What the page says: by attempt and level."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in (ROOT / "docs/security.md").read_text().partition("## Walls")[2].splitlines()
        if line.startswith("|")
    ]
    (_, *levels), _, *rows = rows
    return {attempt: dict(zip((level.strip("`") for level in levels), said, strict=True)) for attempt, *said in rows}


TABLE = table()


def problem_of(level: str) -> str | None:
    """Why it cannot be tried here."""
    if level == "app users":
        return None if os.geteuid() == 0 and not missing_rights() else "it takes root"
    if level == "oci":
        return why_not()
    return lacking(level)  # type: ignore[arg-type]


def levels() -> Iterator[Any]:
    for level in ("process", "app users", "bubblewrap", "oci"):
        problem = problem_of(level)
        left_out = pytest.mark.skipif(problem is not None, reason=f"left out: no {level} level here: {problem}")
        slow = [pytest.mark.nightly, pytest.mark.timeout(600)] if level == "oci" else []
        yield pytest.param(level, marks=[left_out, *slow])


every_level = pytest.mark.parametrize("level", list(levels()))


PATIENCE = 300.0
"""Seconds: bubblewrap can take long on a machine that does much else."""


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """On the loop that production uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario, PATIENCE))


@pytest.fixture(autouse=True)
def engines_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine finds the image of the tests."""
    if request.node.get_closest_marker("nightly"):
        monkeypatch.setenv("CONTAINERS_STORAGE_CONF", OciMachine(tmp_path).env["CONTAINERS_STORAGE_CONF"])


class Escaping:
    """A backend whose containers run `escapes`, and what they told."""

    def __init__(self, scratch: Path, level: str, *, network: bool = True) -> None:
        self.reports = RecordingReports()
        self.template = TemplateSpec()
        if level == "oci":
            self._in_image(scratch, network=network)
            return
        uid = APP if level != "process" and os.geteuid() == 0 else None
        isolation: Isolation = "bubblewrap" if level == "bubblewrap" else "process"
        self.walls = Walls(isolation=isolation, network=network, uid=uid)
        self.backend: ProcessBackend | OciBackend = ProcessBackend(env=template_env(), scratch=scratch, entry=ENTRY)

    def _in_image(self, scratch: Path, *, network: bool) -> None:
        machine = OciMachine(scratch)
        self.template = TemplateSpec(python="/usr/bin/python3", image=machine.base, env=((b"PATH", b"/usr/bin:/bin"),))
        runtime = Mount(source=str(machine.runtime), target="/opt/motet")
        self.walls = Walls(isolation="oci", mounts=(runtime,), network=network)
        self.backend = OciBackend(env={**template_env(), **machine.env}, scratch=scratch, entry=ENTRY)

    def place_of(self, container_id: str) -> tuple[int | None, str]:
        """The process of a container, as this machine numbers it, and where that finds its directory."""
        container = self.backend._containers[container_id]
        if not isinstance(container, _InImage):
            return container.pid, str(container.directory)
        lines = Path(f"/proc/self/fdinfo/{container.template._process}").read_text().splitlines()
        first = next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))
        [pid] = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return int(pid), f"/proc/{pid}/root/tmp"

    async def __aenter__(self) -> Escaping:
        await self.backend.open(self.reports)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.backend.close()

    def start(
        self, container_id: str, act: str, limits: Limits = NO_LIMITS, secret: str = "", **arguments: Any
    ) -> None:
        env = {"ACT": json.dumps([act, arguments]), "PATH": os.environ["PATH"], "VICTIMS": secret}
        walls = self.walls
        if act == "live" and walls.own_user is not None:  # that of another app
            walls = msgspec.structs.replace(walls, uid=APP + 1)
        launch = Launch(container_id=container_id, address="unix:/nowhere", token="t", env=env, limits=limits)
        template = msgspec.structs.replace(self.template, walls=walls)
        self.backend.start_nowait(dataclasses.replace(launch, template=template))

    async def told(self, container_id: str) -> Any:
        await self.reports.wait_until(
            lambda: self.reports.text(container_id).endswith("\n") or container_id in self.reports.ended
        )
        ended = self.reports.ended.get(container_id)
        assert self.reports.text(container_id), (ended, self.reports.text(container_id, "stderr"))
        return json.loads(self.reports.text(container_id))


async def got_away_with(scratch: Path, level: str, *, network: bool = True) -> set[str]:
    home = scratch / "home"
    home.mkdir()
    with (
        socket.socket(socket.AF_UNIX) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        server.bind(str(home / "socket"))
        server.listen()
        abstract.bind(b"")  # the kernel finds a name
        abstract.listen()
        async with Escaping(scratch, level, network=network) as escaping:
            escaping.start("ta-victim", "live", secret=BEGINS + ENDS, directory="")
            await escaping.told("ta-victim")
            pid, directory = escaping.place_of("ta-victim")
            about = {
                "pid": pid,
                "directory": directory,
                "machine": began_at(1),
                "home": str(home),
                "tester": os.getpid(),
                "abstract": abstract.getsockname()[1:].decode(),
                "port": listening.getsockname()[1],
                "parts": [BEGINS, ENDS],
            }
            # Fewer processes than servers allow within walls, for it to be quick.
            limits = Limits() if level in ("process", "app users") else Limits(pids=64)
            attacker = f"ta-attacker-{scratch.name}-{os.getpid()}"  # a control group of the machine has that name
            escaping.start(attacker, "try_all", limits, "none", **about)
            told = await escaping.told(attacker)
    return {attempt for attempt, worked in told.items() if worked}


@every_level
def test_what_the_table_says_is_so(level: str, tmp_path: Path) -> None:
    said = {attempt: TABLE[attempt][level] for attempt in ATTEMPTS}

    async def scenario() -> None:
        worked = await got_away_with(tmp_path, level)
        for attempt, expected in said.items():
            match expected:
                case "held" | "held between apps" | "held for localhost, and else with `block_network`":
                    assert attempt not in worked
                case "not held" | "held with `block_network`" | "its own copy":
                    assert attempt in worked, attempt
                case "held unless the server is root":
                    assert (attempt in worked) == (os.geteuid() == 0), attempt
                case other:
                    pytest.fail(f"{attempt}: {other!r} says nothing that can be tried")

    run(scenario())


@pytest.mark.parametrize("level", list(levels())[2:])
def test_blocked_network_is_none(level: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        worked = await got_away_with(tmp_path, level, network=False)
        assert not worked & {
            "reach this machine's network, and a metadata address",
            "reach abstract sockets of other programs",
        }

    run(scenario())


@every_level
@pytest.mark.parametrize(("act", "limits"), [("take", Limits(memory=64 * 2**20)), ("fill", Limits(disk=2**20))])
def test_who_takes_more_than_may_be_is_ended_and_others_stay(
    level: str, act: str, limits: Limits, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Escaping(tmp_path, level) as escaping:
            # Of their own: control groups of this machine are named by them, and other tests run beside this one.
            modest, greedy = (f"ta-{name}-{tmp_path.name}-{os.getpid()}" for name in ("modest", "greedy"))
            escaping.start(modest, "fill", limits=Limits(memory=256 * 2**20, disk=64 * 2**20), mib=1)
            escaping.start(greedy, act, limits=limits, mib=160 if act == "take" else 8)
            if (level, act) == ("oci", "fill"):  # "held with limits, but for disk"
                await escaping.reports.wait_output(greedy, "filled\n")
                return
            ended = await escaping.reports.wait_ended(greedy)
            what, mib = ("memory", 64) if act == "take" else ("disk", 1)
            assert ended.description == f"used more than its {mib} MiB of {what}, and was ended"
            await escaping.reports.wait_output(modest, "filled\n")
            assert modest not in escaping.reports.ended

    run(scenario())


def test_every_row_of_the_table_is_tried_on_every_level() -> None:
    assert list(TABLE) == [*ATTEMPTS, "use more memory, cores or disk than its limits"]
