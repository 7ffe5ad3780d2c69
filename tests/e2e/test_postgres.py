"""Servers with a store in PostgreSQL: what was deployed outlives them and their homes; one leads, and others wait."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.free_port import free_port
from tests.e2e.standing import COMMAND, PATIENCE, StandingServer
from tests.postgres import PostgresDatabase

SHOP = """
import os, time
import motet

app = motet.App("shop")


@app.function()
def packed(until: str) -> str:
    while not os.path.exists(until):
        time.sleep(0.02)
    return "packed"


@app.function(max_containers=2)
def begun(place: str) -> str:
    with open(f"{place}/began", "a") as file:
        file.write("once ")
    return packed.local(f"{place}/until")


@app.function()
def price(pieces: int) -> int:
    return 10 * pieces
"""
MOTET = [sys.executable, "-m", "motet"]
PACKED = """
import motet, sys

print(motet.Function.from_name("shop", "price").remote(4), flush=True)
print(motet.Function.from_name("shop", "packed").remote(sys.argv[1]))
"""
BEGIN_BOTH = """
import motet, sys

begun = motet.Function.from_name("shop", "begun")
call = begun.spawn(sys.argv[1])
print(begun.remote(sys.argv[1]), call.get())
"""
PRICE = "import motet; print(motet.Function.from_name('shop', 'price').remote(4))"
SPAWN = "import motet, sys; print(motet.Function.from_name('shop', 'packed').spawn(sys.argv[1]).object_id)"
RESULT = "import motet, sys; print(motet.FunctionCall.from_id(sys.argv[1]).get(timeout=30))"


class ServedStore:
    """A database, and servers that use it, each with a home of its own."""

    def __init__(self, database: PostgresDatabase, place: Path) -> None:
        self.database = database
        self._place = place
        self.servers: list[StandingServer] = []
        self.waiting: list[subprocess.Popen[str]] = []

    @property
    def env(self) -> dict[str, str]:
        return {"MOTET_STORE": self.database.address}

    def start(self, home: str, *options: str) -> StandingServer:
        """One that leads."""
        self.servers.append(StandingServer(self._place / home, *options, env=self.env))
        return self.servers[-1]

    def wait(self, home: str, *options: str) -> subprocess.Popen[str]:
        """One that has said that it waits to lead."""
        env = {**os.environ, **self.env, "MOTET_HOME": str(self._place / home)}
        env.pop("MOTET_SERVER", None)
        process = subprocess.Popen(
            [*COMMAND, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.waiting.append(process)
        assert process.stdout is not None
        assert "Waiting to lead: process " in process.stdout.readline()
        return process

    def run(self, home: str, program: str, *arguments: str) -> str:
        """What a program prints that uses the server there."""
        env = {**os.environ, "MOTET_HOME": str(self._place / home), "MOTET_SERVER": "home"}
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout.strip()

    def close(self) -> None:
        for process in (*self.waiting, *(server.process for server in self.servers)):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
            process.communicate(timeout=PATIENCE)


@pytest.fixture
def store(postgres: PostgresDatabase, tmp_path: Path) -> Iterator[ServedStore]:
    served = ServedStore(postgres, tmp_path)
    try:
        yield served
    finally:
        served.close()


def read_until(process: subprocess.Popen[str], word: str) -> str:
    """The line with this word."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return line
    raise AssertionError(f"it ended, and never said {word!r}")


def test_a_server_that_hangs_is_followed_by_the_one_that_waits_and_says_so_when_it_wakes_up(
    store: ServedStore, tmp_path: Path
) -> None:
    """All that the second one knows of what was deployed, and of tokens, is in the database. It does not find the host agent of
    the first, as on another machine."""
    (tmp_path / "shop.py").write_text(SHOP)
    first = store.start("first")
    first.motet("deploy", str(tmp_path / "shop.py"), MOTET_SERVER="home")
    first.motet("token", "new", "ci", "--right", "call")
    call_id = store.run("first", SPAWN, str(tmp_path / "until"))
    second = store.wait("second")
    for path in (tmp_path / "first" / "server").glob("agent-*"):
        path.rename(path.with_name("hidden"))
    first.process.send_signal(signal.SIGSTOP)
    read_until(second, "Ready")
    (tmp_path / "until").touch()
    assert store.run("second", RESULT, call_id) == "packed"
    first.process.send_signal(signal.SIGCONT)
    _, err = first.process.communicate(timeout=PATIENCE)
    assert first.process.returncode == 75
    assert "this server does not lead any more: its term 1 is over, and process " in err
    assert "This server ends, and its containers with it" in err


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_what_runs_when_a_server_is_killed_or_stopped_goes_on_with_the_one_that_leads_on_its_machine(
    store: ServedStore, tmp_path: Path, how: signal.Signals
) -> None:
    """Inputs of a spawned call, and of one whose program waits."""
    (tmp_path / "shop.py").write_text(SHOP)
    first = store.start("first")
    first.motet("deploy", str(tmp_path / "shop.py"), MOTET_SERVER="home")
    second = store.wait("second")
    both = ",".join(f"unix:{tmp_path / home / 'server' / 'socket'}" for home in ("first", "second"))
    env = {**os.environ, "MOTET_HOME": str(tmp_path), "MOTET_SERVER": both}
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN_BOTH, str(tmp_path)], env=env, stdout=subprocess.PIPE, text=True
    ) as program:
        wait_until(
            lambda: len((tmp_path / "began").read_text().split()) == 2 if (tmp_path / "began").exists() else False
        )
        first.process.send_signal(how)
        read_until(second, "Ready")
        (tmp_path / "until").touch()
        assert program.stdout is not None
        assert program.stdout.read() == "packed packed\n"
    assert first.process.wait(PATIENCE) == -signal.SIGKILL
    assert len((tmp_path / "began").read_text().split()) == 2


def test_a_server_that_ends_lets_the_next_one_lead_and_a_database_that_comes_back_is_used_again(
    store: ServedStore, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    first = store.start("first")
    second = store.wait("second")
    first.end()
    read_until(second, "Ready")
    deploy = [sys.executable, "-m", "motet", "deploy", str(tmp_path / "shop.py")]
    env = {**os.environ, "MOTET_HOME": str(tmp_path / "second"), "MOTET_SERVER": "home"}
    store.database.server.stop()
    try:
        refused = subprocess.run(deploy, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    finally:
        store.database.server.start()
    assert refused.returncode == 1
    assert "Nothing has changed; what runs goes on. Try again after 1 s" in " ".join(refused.stderr.split())
    subprocess.run(deploy, env=env, capture_output=True, timeout=PATIENCE, check=True)
    assert store.run("second", PRICE) == "40"


def test_a_program_that_names_both_servers_goes_over_from_one_that_is_killed_to_the_other(
    store: ServedStore, tmp_path: Path
) -> None:
    """The second one listens while it stands by, says that it is not ready, and leads programs to the first."""
    (tmp_path / "shop.py").write_text(SHOP)
    ports = [free_port(), free_port()]
    first = store.start("first", "--port", str(ports[0]))
    second = store.wait("second", "--port", str(ports[1]))
    token = next(line.split()[-1] for line in first.said if "Admin token" in line)
    both = ",".join(f"tcp:127.0.0.1:{port}" for port in ports)
    env = {**os.environ, "MOTET_HOME": str(tmp_path), "MOTET_SERVER": both, "MOTET_TOKEN": token}
    subprocess.run(
        [*MOTET, "deploy", "shop.py"], cwd=tmp_path, env=env, check=True, timeout=PATIENCE, capture_output=True
    )
    wait_until(lambda: answered(ports[1], "/readyz") == (503, "standby\n"))
    assert answered(ports[1], "/livez") == (200, "ok\n")
    wait_until(lambda: f"at tcp:127.0.0.1:{ports[0]}." in answered(ports[1], "/v1/apps")[1])
    to_second = {**env, "MOTET_SERVER": f"tcp:127.0.0.1:{ports[1]}"}
    status = subprocess.run(
        [*MOTET, "server", "status"], env=to_second, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert status.returncode == 1
    assert f"reached at tcp:127.0.0.1:{ports[0]}" in " ".join(status.stdout.split())
    with subprocess.Popen(
        [sys.executable, "-c", PACKED, str(tmp_path / "until")], env=to_second, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "40\n"  # by the first, though the second is named
        first.process.kill()
        read_until(second, "Ready")
        (tmp_path / "until").touch()
        assert program.stdout.readline() == "packed\n"


def answered(port: int, path: str) -> tuple[int, str]:
    """What a server says over HTTP, with its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_database_that_is_away_keeps_a_server_from_starting_and_its_password_is_not_told(tmp_path: Path) -> None:
    env = {**os.environ, "MOTET_HOME": str(tmp_path), "MOTET_STORE": "postgresql://motet:hunter2@/db?host=/nowhere"}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "cannot read the PostgreSQL database db on /nowhere: connection" in " ".join(done.stderr.split())
    assert "hunter2" not in done.stdout + done.stderr
