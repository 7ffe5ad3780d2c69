"""Ways between servers, their database and programs that are cut, closed or silent: what was accepted ends once, with its own
result, and programs are soon where it goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.cuts import Way, way
from tests.e2e.free_port import free_port
from tests.e2e.standing import COMMAND, PATIENCE, StandingServer
from tests.e2e.test_postgres import read_until
from tests.postgres import USER, PostgresDatabase

APP = """
import motet

app = motet.App("cut")


@app.function(max_containers=2)
def work(number: int) -> int:
    with open(__PLACE__ + "/ran", "a") as file:
        file.write(f"{number}\\n")
    return 2 * number
"""
PROGRAM = Path(__file__).with_name("programs") / "spawns_on.py"
LEASE = 1.0
TAKEOVER = 3.0 + LEASE
"""Seconds: loose, as this machine may be busy."""


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
            self._env.append({"MOTET_STORE": store, "MOTET_LEASE": str(LEASE), "MOTET_ADVERTISED_ADDRESS": told})
        self.first = StandingServer(place / "first", "--port", str(self._ports[0]), env=self._env[0])
        stack.callback(_end, self.first.process)
        token = next(line.split()[-1] for line in self.first.said if "Admin token" in line)
        both = ",".join(f"tcp:127.0.0.1:{each.port}" for each in self.to_server)
        self.client_env = {**os.environ, "MOTET_HOME": str(place), "MOTET_SERVER": both, "MOTET_TOKEN": token}
        (place / "cut.py").write_text(APP.replace("__PLACE__", repr(str(place))))
        self.first.motet("deploy", str(place / "cut.py"), MOTET_SERVER="home")
        self.second = self._wait()
        self.program = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(place / "stop")],
            env=self.client_env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(_end, self.program)
        read_until(self.program, "begun")

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
        self._stack.callback(_end, process)
        read_until(process, "Waiting to lead: process ")
        for path in (self.place / "first" / "server").glob("agent-*"):  # as on another machine
            path.rename(path.with_name("hidden"))
        return process

    def ran(self) -> int:
        """Inputs that have been begun."""
        path = self.place / "ran"
        return path.read_text().count("\n") if path.exists() else 0

    def wait_ran(self, more: int) -> None:
        """So many more."""
        wanted = self.ran() + more
        wait_until(lambda: self.ran() >= wanted)

    def report(self) -> dict[str, Any]:
        """What the program says, which stops now."""
        (self.place / "stop").touch()
        out, err = self.program.communicate(timeout=PATIENCE)
        assert self.program.returncode == 0, err
        said: dict[str, Any] = json.loads(out)
        assert said["wrong"] == []
        assert said["calls"] == said["accepted"] > 0, said
        return said


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=PATIENCE)


@pytest.fixture
def servers(postgres: PostgresDatabase, tmp_path: Path) -> Iterator[CutServers]:
    with ExitStack() as stack:
        yield CutServers(postgres, tmp_path, stack)


@pytest.mark.parametrize("silent", [pytest.param(False, id="closed", marks=pytest.mark.nightly), True])
def test_programs_of_a_leader_that_is_cut_off_from_its_database_go_over_to_the_next(
    servers: CutServers, silent: bool
) -> None:
    servers.wait_ran(10)
    servers.to_database[0].cut(silent=silent)
    began = time.monotonic()
    read_until(servers.second, "Ready")
    servers.wait_ran(50)
    took = time.monotonic() - began
    servers.to_database[0].heal()
    assert servers.first.process.wait(PATIENCE) == 75
    said = servers.report()
    assert took < TAKEOVER + 2
    assert said["longest_without_spawn"] < TAKEOVER
    assert said["longest_without_answer"] < TAKEOVER
    print(said, took)
