"""The host agent with real processes: it has containers as any backend has, and they outlive the server that started them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from motet.agent import agent_backend, pings
from motet.agent.agent_backend import NAME, AgentBackend
from motet.backends.base import Backend, Launch, Reports
from motet.client import family
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation
from motet.runtime.lifecycle.spares import SPARE_NAME
from tests.backends.conftest import ENTRY, ProcessStage, template_env, wait_gone
from tests.contracts.backend_contract import Act, BackendContract, RecordingReports, Session, in_loop

STAYS = Act(writes=(("stdout", "up\n"),))


_made: list[AgentBackend] = []


async def attach(directory: Path, grace: float = 60.0, name: str = NAME) -> AgentBackend:
    backend = await AgentBackend.attach(directory, env=template_env(), grace=grace, entry=ENTRY, name=name)
    _made.append(backend)
    return backend


@pytest.fixture(autouse=True)
def agents_are_gone() -> Iterator[None]:
    """This process is the parent of those that it started, whoever attached to them later."""
    yield
    while _made:
        process = _made.pop()._process
        if process is not None:
            process.wait(20)


def children_of(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if Path(f"/proc/{child}/comm").read_text().strip() != SPARE_NAME]


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


class Attaching:
    """Attaches when it is opened, so that a test can have it before there is a loop."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.agent: AgentBackend

    async def open(self, reports: Reports) -> None:
        self.agent = await attach(self.directory)
        await self.agent.open(reports)

    def lacks(self, isolation: Isolation) -> str | None:
        return self.agent.lacks(isolation)

    async def find_gpus(self) -> FoundGpus:
        return await self.agent.find_gpus()

    def start_nowait(self, launch: Launch) -> None:
        self.agent.start_nowait(launch)

    def kill_nowait(self, container_id: str) -> None:
        self.agent.kill_nowait(container_id)

    def report_output_nowait(self, container_id: str) -> None:
        self.agent.report_output_nowait(container_id)

    def silence(self) -> float | None:
        return self.agent.silence()

    async def close(self) -> None:
        await self.agent.close()


class AgentStage(ProcessStage):
    """The agent is found by its socket; where its containers run is its own affair."""

    def __init__(self, directory: Path) -> None:
        self.attaching = Attaching(directory)
        self.backend: Backend = self.attaching

    @property
    def template(self) -> int:
        return self.attaching.agent.roots()[1]

    def pid(self, container_id: str) -> int:
        children = children_of(self.template)
        assert len(children) == 1, "more than one container runs"
        return children[0]

    def break_starts(self) -> None:
        # Where the agent's containers have their directories.
        command: list[bytes] = []
        while b"--scratch" not in command:  # it may just begin
            command = Path(f"/proc/{self.template}/cmdline").read_bytes().split(b"\0")
        scratch = Path(os.fsdecode(command[command.index(b"--scratch") + 1]))
        scratch.rename(scratch.with_name("elsewhere"))

    def lose(self) -> None:
        os.kill(self.attaching.agent.agent, signal.SIGKILL)


class TestAgentBackend(BackendContract):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> AgentStage:
        return AgentStage(tmp_path)


@pytest.fixture
def stage(tmp_path: Path) -> AgentStage:
    return AgentStage(tmp_path)


def noted(launch: Launch, note: bytes) -> Launch:
    return Launch(
        container_id=launch.container_id, address=launch.address, token=launch.token, env=launch.env, note=note
    )


async def vanish(backend: AgentBackend) -> None:
    """As if the server was killed: its connection ends without a word."""
    assert backend._channel is not None
    backend._channel.close()
    backend._channel = None
    backend._closing = True
    for container in backend._containers.values():
        container.pipes.drain_and_close()


@in_loop
async def test_containers_outlive_their_server_and_are_told_to_the_next(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(noted(stage.launch("ta-x", STAYS), b"of x"))
        await session.reports.wait_output("ta-x", "up\n")
        first = stage.attaching.agent
        await vanish(first)
        second, reports = await attach(tmp_path), RecordingReports()
        stage.attaching.agent = second
        assert (first.run, second.run) == (1, 2)
        assert second.agent == first.agent
        assert (first.silence(), second.silence()) == (None, 0.0)
        assert [(each.container_id, each.note, each.frozen) for each in second.held] == [("ta-x", b"of x", False)]
        await second.open(reports)
        second.kill_nowait("ta-x")
        assert (await reports.wait_ended("ta-x")).code == -9


@in_loop
async def test_what_is_written_while_there_is_no_server_is_kept(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "write_when", str(tmp_path / "now")))
        await session.reports.wait_output("ta-x", "up\n")
        await vanish(stage.attaching.agent)
        (tmp_path / "now").touch()
        await asyncio.to_thread(wait_until, (tmp_path / "now.done").exists)
        second, reports = await attach(tmp_path), RecordingReports()
        stage.attaching.agent = second
        await second.open(reports)
        assert (second.held[0].stdout, second.held[0].stderr) == (b"meanwhile\n", b"")
        (tmp_path / "now.done").unlink()
        await reports.wait_output("ta-x", "afterwards\n")


@in_loop
async def test_one_that_ends_meanwhile_is_not_told_of_or_told_to_have_ended(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        for name in ("ta-x", "ta-y"):
            session.backend.start_nowait(stage.launch(name, STAYS))
            await session.reports.wait_output(name, "up\n")
        template = stage.template
        await vanish(stage.attaching.agent)
        child = children_of(template)[0]
        os.kill(child, signal.SIGKILL)
        wait_gone([child])
        stage.attaching.agent = second = await attach(tmp_path)
        reports = RecordingReports()
        await second.open(reports)
        await reports.wait_until(lambda: len(second.held) - len(reports.ended) == 1)


@in_loop
async def test_a_frozen_one_is_told_of_as_frozen(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        await vanish(stage.attaching.agent)
        stage.freeze(container)
        while not await _is_told_as_frozen(stage, tmp_path):
            await vanish(stage.attaching.agent)
        reports = RecordingReports()
        await stage.attaching.agent.open(reports)
        stage.thaw(container)
        await reports.wait_until(lambda: ("thawed", container) in reports.log)


async def _is_told_as_frozen(stage: AgentStage, directory: Path) -> bool:
    stage.attaching.agent = await attach(directory)
    return stage.attaching.agent.held[0].frozen


@in_loop
async def test_without_a_server_everything_ends_after_the_grace(stage: AgentStage, tmp_path: Path) -> None:
    backend = stage.attaching.agent = await attach(tmp_path, grace=0.2)
    reports = RecordingReports()
    await backend.open(reports)
    backend.start_nowait(stage.entry("ta-x", "spawn"))
    await reports.wait_output("ta-x", "\n")
    processes = [backend.agent, stage.template, *eval(reports.text("ta-x"))]
    await vanish(backend)
    wait_gone(processes)
    # The next server starts another one.
    another = await attach(tmp_path)
    assert (another.run, another.held) == (1, [])
    await another.close()


@in_loop
async def test_a_server_that_ends_in_order_takes_everything_with_it(stage: AgentStage) -> None:
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        processes = [*stage.attaching.agent.roots(), stage.pid(container)]
    wait_gone(processes)


@in_loop
async def test_one_that_hands_over_leaves_it(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        await stage.attaching.agent.leave()
        stage.attaching.agent = second = await attach(tmp_path)
        await second.open(RecordingReports())
        assert [each.container_id for each in second.held] == [container]
        assert session.reports.ended == {}


@in_loop
async def test_nothing_in_a_container_can_attach(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        session.backend.start_nowait(stage.entry("ta-x", "attach", str(tmp_path / "agent")))
        await session.reports.wait_ended("ta-x")
        assert session.reports.text("ta-x") == "refused\n", session.reports.text("ta-x", "stderr")


@in_loop
async def test_who_says_nothing_or_nonsense_is_none(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as babbler:
            for sock in (silent, babbler):
                sock.connect(str(tmp_path / "agent"))
            babbler.sendall(b"\x03\0\0\0abc")
            assert await asyncio.to_thread(babbler.recv, 1) == b""
            container = session.start(Act(code=0))
            await session.reports.wait_ended(container)


@in_loop
async def test_an_agent_that_stands_still_is_ended_and_replaced(
    stage: AgentStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        first = stage.attaching.agent
        processes = [*first.roots(), stage.pid(container)]
        await vanish(first)
        os.kill(first.agent, signal.SIGSTOP)
        monkeypatch.setattr(agent_backend, "ATTACH_TIMEOUT", 0.5)
        stage.attaching.agent = second = await attach(tmp_path)
        await second.open(RecordingReports())
        assert second.held == []
        assert second.agent != first.agent
        wait_gone(processes)


@in_loop
async def test_one_that_is_stopped_is_silent_and_heard_again_when_it_goes_on(
    stage: AgentStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has two minutes for that: it is not to be lost, however busy the machine is."""
    monkeypatch.setattr(pings, "INTERVAL", 0.05)
    monkeypatch.setattr(pings, "LOST_AFTER", 2400)
    async with Session(stage) as session:
        container, reports = session.start(STAYS), session.reports
        await reports.wait_output(container, "up\n")
        os.kill(stage.attaching.agent.agent, signal.SIGSTOP)
        await reports.wait_until(lambda: any(what == "silent" for what, _ in reports.log))
        os.kill(stage.attaching.agent.agent, signal.SIGCONT)
        await reports.wait_until(lambda: reports.log[-1][0] == "heard")
        assert container not in reports.ended
        assert not reports.lost


@in_loop
async def test_one_that_does_not_answer_is_lost(stage: AgentStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pings, "INTERVAL", 0.02)
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        processes = [*stage.attaching.agent.roots(), stage.pid(container)]
        os.kill(stage.attaching.agent.agent, signal.SIGSTOP)
        ended = await session.reports.wait_ended(container)
        assert ended.blameless
        assert "was lost because the host agent" in ended.description
        wait_gone(processes)
        again = session.start(Act(code=0))
        assert (await session.reports.wait_ended(again)).code == 0


@in_loop
async def test_runs_are_counted_on_when_a_server_has_to_start_another_agent(stage: AgentStage, tmp_path: Path) -> None:
    """Numbers of attempts begin with the run: containers of the new agent have some of the server that started it."""
    async with Session(stage):
        await vanish(stage.attaching.agent)
        second, reports = await attach(tmp_path), RecordingReports()
        stage.attaching.agent = second
        await second.open(reports)
        stage.lose()
        await reports.wait_until(lambda: reports.lost)
        second.start_nowait(stage.launch("ta-x", STAYS))
        await reports.wait_output("ta-x", "up\n")
        await vanish(second)
        stage.attaching.agent = third = await attach(tmp_path)
        await third.open(RecordingReports())
        assert [each.container_id for each in third.held] == ["ta-x"]
        assert third.run == 3


@in_loop
async def test_containers_go_with_their_template_and_the_next_have_another(stage: AgentStage) -> None:
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        os.kill(stage.template, signal.SIGKILL)
        await session.reports.wait_until(lambda: session.reports.lost)
        assert session.reports.ended[container].blameless
        again = session.start(STAYS)
        await session.reports.wait_output(again, "up\n")
        assert family.process_of(stage.template) is not None


def test_a_server_says_why_it_has_no_agent(tmp_path: Path) -> None:
    async def scenario() -> Any:
        with pytest.raises(agent_backend.ServiceError, match="no host agent can be had in"):
            await attach(tmp_path / "nowhere")

    asyncio.run(scenario())
