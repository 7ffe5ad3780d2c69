"""Ways between clients, servers, their database and host agents are cut, closed or silent, and heal: what was accepted ends
once, with its own result, and programs are soon where it goes on.

Real processes, so at night. By day the links of this are tested one by one without waiting: a lead in doubt
(`server/test_lead.py`), clients that are told of it (`server/clients/test_conversation.py`) and go over
(`client/test_cluster.py`), silent servers (`client/test_resuming_link.py`), and hosts that are cut off
(`testing/test_staying_world.py`, `worlds`).
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.cuts import Way, way
from tests.e2e.free_port import free_port
from tests.e2e.spawning_program import SpawningProgram, app_file, end
from tests.e2e.standing import COMMAND, PATIENCE, StandingServer
from tests.e2e.test_postgres import read_until
from tests.postgres import USER, PostgresDatabase

pytestmark = pytest.mark.nightly

LEASE = 2.0
"""Seconds: the usual one."""
TAKEOVER = 10.0
"""Seconds: loose, as this machine may be busy."""
SILENCE = 1.0
"""Seconds after which a program takes a connection on which nothing comes for a broken one."""
either_way = pytest.mark.parametrize("silent", [pytest.param(False, id="closed"), pytest.param(True, id="silent")])


def token_of(server: StandingServer) -> str:
    return next(line.split()[-1] for line in server.said if "Admin token" in line)


class CutServers:
    """Two servers of one database, the first of which leads, a program that uses them, and the ways between them all."""

    def __init__(self, database: PostgresDatabase, place: Path, stack: ExitStack) -> None:
        self.place, self._database, self._stack = place, database, stack
        self.to_database: list[Way] = []
        self.to_server: list[Way] = []
        self._env: list[dict[str, str]] = []
        self._ports = [free_port(), free_port()]
        for number in (0, 1):
            directory = database.server.directory / f"way-{database.name}-{number}"
            directory.mkdir()
            self.to_database.append(
                stack.enter_context(way(database.server.directory / ".s.PGSQL.5432", directory / ".s.PGSQL.5432"))
            )
            self.to_server.append(stack.enter_context(way(self._ports[number])))
            store = f"postgresql://{USER}@/{database.name}?host={quote(str(directory), safe='')}"
            told = f"tcp:127.0.0.1:{self.to_server[number].port}"
            self._env.append({"MOTET_STORE": store, "MOTET_ADVERTISED_ADDRESS": told})
        self.first = StandingServer(place / "first", "--port", str(self._ports[0]), env=self._env[0])
        stack.callback(end, self.first.process)
        both = ",".join(f"tcp:127.0.0.1:{each.port}" for each in self.to_server)
        self._client_env = {**os.environ, "MOTET_HOME": str(place), "MOTET_SERVER": both}
        self._client_env["MOTET_TOKEN"] = token_of(self.first)
        self.first.motet("deploy", app_file(place), MOTET_SERVER="home")
        self.second = self._wait()

    def begin(self, function: str) -> SpawningProgram:
        program = SpawningProgram(self.place, function, self._client_env, self._stack)
        program.wait_ran(10)
        return program

    def _wait(self) -> subprocess.Popen[str]:
        env = {**os.environ, **self._env[1], "MOTET_HOME": str(self.place / "second")}
        env.pop("MOTET_SERVER", None)
        process = subprocess.Popen(
            [*COMMAND, "--port", str(self._ports[1])],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._stack.callback(end, process)
        read_until(process, "Waiting to lead: process ")
        for path in (self.place / "first" / "server").glob("agent-*"):  # as on another machine
            path.rename(path.with_name("hidden"))
        return process


@pytest.fixture
def servers(postgres: PostgresDatabase, tmp_path: Path) -> Iterator[CutServers]:
    with ExitStack() as stack:
        yield CutServers(postgres, tmp_path, stack)


@either_way
@pytest.mark.parametrize("function", ["work", "once"])
def test_programs_of_a_leader_that_is_cut_off_from_its_database_go_over_to_the_next(
    servers: CutServers, function: str, silent: bool
) -> None:
    program = servers.begin(function)
    servers.to_database[0].cut(silent=silent)
    began = time.monotonic()
    read_until(servers.second, "Ready")
    ready = time.monotonic() - began
    program.wait_ran(50)
    took = time.monotonic() - began
    servers.to_database[0].heal()
    assert servers.first.process.wait(PATIENCE) == 75
    said = program.report()
    print(f"the next server is ready after {ready:.2f} s, 50 inputs later {took:.2f} s: {said}, load {os.getloadavg()}")
    assert took < TAKEOVER + 2
    assert said["longest_without_spawn"] < TAKEOVER
    assert said["longest_without_answer"] < TAKEOVER


@either_way
def test_a_server_that_stands_by_is_cut_off_from_the_database_and_leads_when_it_is_back_and_needed(
    servers: CutServers, silent: bool
) -> None:
    """The one that leads notices nothing."""
    program = servers.begin("once")
    servers.to_database[1].cut(silent=silent)
    began = time.monotonic()
    while time.monotonic() - began < LEASE + 1:
        program.wait_ran(10)
    assert servers.second.poll() is None
    servers.to_database[1].heal()
    program.wait_ran(10)
    servers.first.process.kill()
    read_until(servers.second, "Ready")
    program.wait_ran(50)
    said = program.report()
    print(f"{said}, load {os.getloadavg()}")
    assert said["longest_without_answer"] < TAKEOVER + 1


class CutServer:
    """One server, a program that uses it, whose inputs are delivered at most once, and the way between them."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self.server = StandingServer(place / "server", "--port", "0")
        stack.callback(end, self.server.process)
        found = re.search(r"tcp:127\.0\.0\.1:(\d+)", "".join(self.server.said))
        assert found is not None, self.server.said
        self.way = stack.enter_context(way(int(found[1])))
        self.server.motet("deploy", app_file(place), MOTET_SERVER="home")
        client_env = {
            **os.environ,
            "MOTET_HOME": str(place / "program"),
            "MOTET_SERVER": f"tcp:127.0.0.1:{self.way.port}",
            "MOTET_TOKEN": token_of(self.server),
            "MOTET_SILENCE": str(SILENCE),
        }
        self.program = SpawningProgram(place, "once", client_env, stack)
        self.program.wait_ran(10)

    @property
    def agent(self) -> int:
        """The pid of its host agent."""
        children = Path(f"/proc/{self.server.process.pid}/task").glob("*/children")
        for pid in " ".join(path.read_text() for path in children).split():
            if b"motet.agent" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
        raise AssertionError("there is none")


@pytest.fixture
def one_server(tmp_path: Path) -> Iterator[CutServer]:
    with ExitStack() as stack:
        yield CutServer(tmp_path, stack)


@either_way
def test_a_program_is_cut_off_from_its_server_and_loses_nothing(one_server: CutServer, silent: bool) -> None:
    one_server.way.cut(silent=silent)
    time.sleep(3 * SILENCE)
    one_server.way.heal()
    one_server.program.wait_ran(50)
    said = one_server.program.report()
    print(f"{said}, load {os.getloadavg()}")
    assert said["undecided"] == []
    assert 3 * SILENCE < said["longest_without_spawn"] < 3 * SILENCE + TAKEOVER


def test_a_host_agent_says_nothing_for_a_while_and_nothing_is_lost(one_server: CutServer) -> None:
    """What is between it and its server is the kernel, so that a way is silent when one of them stands still."""
    agent = one_server.agent
    os.kill(agent, signal.SIGSTOP)
    try:
        time.sleep(14)  # its containers get no new inputs after 10 to 12
    finally:
        os.kill(agent, signal.SIGCONT)
    one_server.program.wait_ran(50)
    said = one_server.program.report()
    print(f"{said}, load {os.getloadavg()}")
    assert one_server.agent == agent
    assert said["undecided"] == []


def test_a_host_agent_is_cut_off_from_its_server_while_both_live(one_server: CutServer) -> None:
    """Its containers end with it, and what they ran is not begun again. Another agent goes on."""
    agent = one_server.agent
    cut_connections(agent)
    one_server.program.wait_ran(50)
    said = one_server.program.report()
    print(f"{said}, load {os.getloadavg()}")
    assert one_server.agent != agent
    assert len(said["undecided"]) <= 2  # as many as ran
    assert said["longest_without_spawn"] < TAKEOVER


def cut_connections(agent: int) -> None:
    """Have all connections that were made to its socket be shut down, as if by itself."""
    sockets = {}
    for path in Path(f"/proc/{agent}/fd").iterdir():
        if found := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(path)):
            sockets[found[1]] = int(path.name)
    accepted = []
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, _, _, inode, *bound = line.split()
        if inode in sockets and flags != "00010000" and bound and Path(bound[0]).name.startswith("agent"):
            accepted.append(sockets[inode])
    assert accepted
    pidfd = os.pidfd_open(agent)
    for descriptor in accepted:
        copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, descriptor, 0)  # pidfd_getfd
        assert copy >= 0, os.strerror(ctypes.get_errno())
        with closing(socket.socket(fileno=copy)) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    os.close(pidfd)
