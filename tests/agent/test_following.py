"""Host agents and the lead: who comes to lead takes over those of the one before it, and what is left with others ends soon."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from motet.agent.agent_backend import AgentBackend
from motet.agent.agents import Agents
from motet.agent.presence import Presence
from motet.backends.base import Launch
from motet.wire.agent import LedElsewhere, Ping, agent_frame
from tests.agent.test_agent import STAYS, AgentStage, agents_are_gone, attach, noted, vanish, wait_until
from tests.backends.conftest import wait_gone
from tests.contracts.backend_contract import RecordingReports, Session, in_loop

__all__ = ["agents_are_gone"]
PATIENCE = 30.0

SERVER = """
import socket, sys
from motet.wire.agent import Attach, Leads, agent_frame

sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(agent_frame(Attach(60.0)) + (agent_frame(Leads(int(sys.argv[2]), 0.0)) if sys.argv[2] != "0" else b""))
while sock.recv(65536):
    print("attached", flush=True)
"""
"""Another process that has an agent, and leads with a term, or stands by."""


@pytest.fixture
def stage(tmp_path: Path) -> AgentStage:
    return AgentStage(tmp_path / "first")


def a_server(path: Path, term: int) -> subprocess.Popen[bytes]:
    """One that is attached."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(path), str(term)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"attached\n"
    return process


async def another(directory: Path) -> Agents:
    """The agents of a server with this directory."""
    return Agents(await attach(directory), 60.0)


def of_x(launch: Launch) -> Launch:
    return noted(launch, b"of x")


async def begun(session: Session, stage: AgentStage) -> AgentBackend:
    """The agent of a server that is gone, with one container, which lives."""
    session.backend.start_nowait(of_x(stage.launch("ta-x", STAYS)))
    await session.reports.wait_output("ta-x", "up\n")
    first = stage.attaching.agent
    await vanish(first)
    return first


@pytest.fixture(autouse=True)
def directories(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()


@in_loop
async def test_who_comes_to_lead_has_what_the_one_before_it_left_and_ends_that_one_if_it_stands_still(
    stage: AgentStage, tmp_path: Path
) -> None:
    async with Session(stage) as session:
        first = await begun(session, stage)
        leader = await asyncio.to_thread(a_server, first.path, 1)
        leader.send_signal(signal.SIGSTOP)
        agents, reports = await another(tmp_path / "second"), RecordingReports()
        await agents.follow([tmp_path / "first", tmp_path / "second", tmp_path / "nowhere"], 2)
        assert await asyncio.to_thread(leader.wait, PATIENCE) == -signal.SIGKILL
        assert [(each.container_id, each.note) for each in agents.held] == [("ta-x", b"of x")]
        assert agents.directories == [tmp_path / "first"]
        assert {first.agent, stage.template} < set(agents.roots())
        await agents.open(reports)
        agents.start_nowait(stage.launch("ta-y", STAYS))
        await reports.wait_output("ta-y", "up\n")
        agents.kill_nowait("ta-x")
        assert (await reports.wait_ended("ta-x")).code == -signal.SIGKILL
        # It has nothing any more, and gets nothing.
        await asyncio.to_thread(wait_gone, [first.agent])
        await agents.close()
        assert sorted(reports.ended) == ["ta-x", "ta-y"]
        assert not reports.lost
        assert leader.stdout is not None
        leader.stdout.close()


@in_loop
async def test_who_stands_by_keeps_its_agent_and_so_does_who_leads_with_a_later_term(
    stage: AgentStage, tmp_path: Path
) -> None:
    async with Session(stage) as session:
        first = await begun(session, stage)
        for term in (0, 7):
            other = await asyncio.to_thread(a_server, first.path, term)
            assert await AgentBackend.follow(first.path, grace=60.0, term=6) is None
            assert other.poll() is None
            other.kill()
            other.communicate()
        stage.attaching.agent = found = await AgentBackend.follow(first.path, grace=60.0, term=8)  # type: ignore[assignment]
        assert [each.container_id for each in found.held] == ["ta-x"]
        await found.open(RecordingReports())


@in_loop
async def test_an_agent_that_has_nothing_ends_when_somebody_else_leads(stage: AgentStage, tmp_path: Path) -> None:
    async with Session(stage) as session:
        assert session.reports.ended == {}
        first = stage.attaching.agent
        roots = first.roots()
        await vanish(first)
        agents = await another(tmp_path / "second")
        await agents.follow([tmp_path / "first"], 1)
        assert agents.held == []
        await asyncio.to_thread(wait_gone, roots)
        await agents.close()


@in_loop
async def test_a_server_that_stands_still_loses_its_agent_where_another_machine_has_one(
    stage: AgentStage, tmp_path: Path
) -> None:
    """It is here, and says nothing more."""
    async with Session(stage) as session:
        container = session.start(STAYS)
        await session.reports.wait_output(container, "up\n")
        first = stage.attaching.agent
        asked = threading.Event()

        def seconds() -> float:
            asked.set()
            return 0.2

        processes = [*first.roots(), stage.pid(container)]
        presence = Presence(lambda: [tmp_path / "gone", first.path], 3, 0.01, seconds)
        await asyncio.to_thread(asked.wait, PATIENCE)
        await asyncio.to_thread(presence.close)
        presence.close()
        assert (await session.reports.wait_ended(container)).blameless
        wait_gone(processes)


@in_loop
async def test_what_is_left_of_an_earlier_term_ends_when_a_server_of_another_machine_leads(
    stage: AgentStage, tmp_path: Path
) -> None:
    async with Session(stage) as session:
        first = await begun(session, stage)
        leader = await asyncio.to_thread(a_server, first.path, 3)
        agents = Agents(await attach(tmp_path / "first", name="agent-2"), 60.0)
        await asyncio.to_thread(told, first.path, 4)  # its server is attached yet, and ends by itself
        leader.kill()
        leader.communicate()
        await asyncio.to_thread(wait_until, lambda: _waits(tmp_path / "first" / "agent.log"))
        await asyncio.to_thread(told, first.path, 3)
        os.kill(first.agent, 0)
        agents.end_left(4)
        await asyncio.to_thread(wait_gone, [first.agent])
        await agents.close()


def told(path: Path, term: int) -> None:
    """An agent that knows of a leader elsewhere, when this returns: it hangs up on a stranger that asks for more."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(path))
        sock.sendall(agent_frame(LedElsewhere(term)) + agent_frame(Ping(0)))
        assert sock.recv(1) == b""


def _waits(log: Path) -> bool:
    return log.read_text().count("there is no server (it is gone)") == 2
