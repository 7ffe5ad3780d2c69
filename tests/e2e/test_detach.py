"""Runs that go on when their program has ended, on a server that stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

JOB = """
import os
import time

import motet

app = motet.App("job")


@app.function()
def work(path: str, upto: int = 3) -> str:
    print("begun")
    open(path + ".began", "w").close()
    while not os.path.exists(path):
        time.sleep(0.01)
    print("done with", upto)
    return f"worked {upto}"


if __name__ == "__main__":
    with app.run(detach=True):
        print(work.spawn(os.environ["JOB"]).object_id)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    with standing_server(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "job.py").write_text(JOB)
    return tmp_path


def start(server: StandingServer, directory: Path, *command: str) -> subprocess.Popen[str]:
    env = {**server.client_env, "JOB": str(directory / "go")}
    env.pop("MOTET_SERVER")  # the one that runs under the home is meant
    return subprocess.Popen(
        [sys.executable, *command], cwd=directory, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def app_of(told: str) -> str:
    (app_id,) = set(re.findall(r"ap-\w+", told))
    return app_id


def test_a_program_leaves_its_app_running_and_says_where_to_look(server: StandingServer, directory: Path) -> None:
    call_id, told = start(server, directory, "job.py").communicate(timeout=PATIENCE)
    app_id = app_of(told)
    assert told == (
        f"job goes on as {app_id}. To see what it writes, and to stop it:\n"
        f"  motet app logs {app_id}\n  motet app stop {app_id}\n"
    )
    wait_until((directory / "go.began").exists, "the function to run")
    (directory / "go").touch()
    code = f"import motet; print(motet.FunctionCall.from_id({call_id.strip()!r}).get())"
    told, error = start(server, directory, "-c", code).communicate(timeout=PATIENCE)
    assert (told, error) == ("worked 3\n", "")
    assert "done with 3" in server.motet("app", "logs", app_id)
    server.motet("app", "stop", "--yes", app_id)
    (row,) = (line for line in server.motet("app", "list").splitlines() if app_id in line)
    assert " ended " in row


def test_a_detached_function_goes_on_when_its_command_is_interrupted(server: StandingServer, directory: Path) -> None:
    command = start(
        server, directory, "-m", "motet", "run", "--detach", "job.py::work", "--path", str(directory / "go")
    )
    wait_until((directory / "go.began").exists, "the function to run")
    os.kill(command.pid, signal.SIGINT)
    _, told = command.communicate(timeout=PATIENCE)
    assert command.returncode == 130
    app_id = app_of(told)
    assert f"motet app stop {app_id}" in told
    assert "Stopping" not in told
    (call_id,) = set(re.findall(r"fc-\w+", told))
    (directory / "go").touch()
    wait_until(lambda: "done with 3" in server.motet("app", "logs", app_id), "the function to go on")
    assert "success" in server.motet("call", call_id)
    server.motet("app", "stop", "--yes", app_id)


def test_a_detached_command_that_is_not_interrupted_shows_the_result(server: StandingServer, directory: Path) -> None:
    (directory / "go").touch()
    command = start(server, directory, "-m", "motet", "run", "-d", "-q", "job.py::work", "--path", "go", "--upto", "5")
    out, told = command.communicate(timeout=PATIENCE)
    assert (command.returncode, out) == (0, "'worked 5'\n")
    server.motet("app", "stop", "--yes", app_of(told))


def test_without_a_server_it_is_refused_with_the_two_commands(directory: Path) -> None:
    env = {**os.environ, "MOTET_HOME": str(directory / "nobody")}
    command = [sys.executable, "-m", "motet", "run", "--detach", "job.py", "--path", "go"]
    done = subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert "a detached run needs a server that stays, and none runs under" in done.stderr
    assert done.stderr.endswith("Start one, and use it:\n  motet server\n  motet run --detach FILE\n")
