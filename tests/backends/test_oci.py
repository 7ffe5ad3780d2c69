"""Containers in OCI images keep the promises of a backend, on an image that is made here without a registry."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from motet.backends.base import Backend, Launch
from motet.backends.machine import MachineBackend
from motet.backends.oci.template import OciTemplate
from motet.model.isolation import NO_LIMITS, Limits, Mount, Walls
from motet.model.template import TemplateSpec
from tests.backends.conftest import template_env
from tests.contracts import backend_contract
from tests.contracts.backend_contract import STAYS, Act, BackendContract, Session, Stage, in_loop
from tests.images.oci.machine import OciMachine, machine

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]


class OciStage:
    """A backend whose containers run `tests.backends.entries` in an image."""

    def __init__(self, machine: OciMachine, scratch: Path) -> None:
        self.machine_backend = MachineBackend(
            env={**template_env(), **machine.env}, scratch=scratch, entry="tests.backends.entries:play"
        )
        self.backend: Backend = self.machine_backend
        walls = Walls(isolation="oci", mounts=(Mount(source=str(machine.runtime), target="/opt/motet"),), network=False)
        self.template = TemplateSpec(
            python="/usr/bin/python3", image=machine.base, walls=walls, env=((b"PATH", b"/usr/bin:/bin"),)
        )

    def entry(self, container_id: str, name: str, *arguments: Any, limits: Limits = NO_LIMITS) -> Launch:
        env = {"ACT": json.dumps([name, *arguments])}
        return Launch(
            container_id=container_id,
            address="unix:/nowhere",
            token="t",
            env=env,
            template=self.template,
            limits=limits,
        )

    def launch(self, container_id: str, act: Act) -> Launch:
        return self.entry(container_id, "act", act.writes, act.code)

    def started(self, launch: Launch) -> None:
        """Real containers act by themselves."""

    def oci_template(self, container_id: str) -> OciTemplate:
        return self.machine_backend._oci._containers[container_id].template

    def first_process(self, container_id: str) -> int:
        """The one that all others of its OCI container end with, as this machine numbers it."""
        descriptor = self.oci_template(container_id)._process
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pid:"))

    def pid(self, container_id: str) -> int:
        first = self.first_process(container_id)
        [pid] = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return int(pid)

    def freeze(self, container_id: str) -> None:
        os.kill(self.pid(container_id), signal.SIGSTOP)

    def thaw(self, container_id: str) -> None:
        os.kill(self.pid(container_id), signal.SIGCONT)

    def break_starts(self) -> None:
        self.template = msgspec.structs.replace(self.template, image="localhost/motet-tests/none:1")

    def lose(self) -> None:
        raise NotImplementedError("each has an OCI container of its own")


@pytest.fixture(scope="module")
def oci(tmp_path_factory: pytest.TempPathFactory) -> OciMachine:
    return machine(tmp_path_factory)


class TestOciBackend(BackendContract):
    @pytest.fixture
    def stage(self, oci: OciMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OciStage:
        monkeypatch.setenv("CONTAINERS_STORAGE_CONF", oci.env["CONTAINERS_STORAGE_CONF"])
        monkeypatch.setattr(backend_contract, "DEADLINE", 200.0)
        return OciStage(oci, tmp_path)

    @in_loop
    async def test_sixty_four_starts_at_once_all_start(self, stage: Stage) -> None:
        """As many as an engine starts in the time there is."""
        async with Session(stage) as session:
            containers = [session.start(Act(writes=(("stdout", f"{n}\n"),), code=n)) for n in range(4)]
            codes = [(await session.reports.wait_ended(container)).code for container in containers]
        assert codes == list(range(4))
        assert [session.reports.text(container) for container in containers] == [f"{n}\n" for n in range(4)]

    @in_loop
    async def test_lost_backend_ends_its_containers_and_starts_anew(self, stage: Stage) -> None:
        """Each has its own: one that is lost takes no other with it."""
        assert isinstance(stage, OciStage)
        async with Session(stage) as session:
            first, other = session.start(STAYS), session.start(STAYS)
            for container in (first, other):
                await session.reports.wait_output(container, "up\n")
            os.kill(stage.first_process(first), signal.SIGKILL)
            ended = await session.reports.wait_ended(first)
            assert "was lost because" in ended.description
            await session.reports.wait_until(lambda: session.reports.lost)
            again = session.start(Act(writes=(("stdout", "again\n"),), code=0))
            assert (await session.reports.wait_ended(again)).code == 0
            assert list(session.reports.ended) == [first, again]
