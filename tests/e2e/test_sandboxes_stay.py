"""Sandboxes on a server that stays: they outlive their creator and a killed server, and are used from a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import motet
from motet.cli.main import motet as motet_command
from motet.client import standing
from motet.exception import DataLossError
from tests.e2e.conftest import wait_until
from tests.e2e.restarted import Restarted
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

CREATE = """
import motet
app = motet.App.lookup("agents", create_if_missing=True)
box = motet.Sandbox.create("sh", "-c", "echo begun; read line; echo got $line", app=app, name="ws", tags={"a": "b"})
print(box.object_id)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    with standing_server(tmp_path_factory.mktemp("home")) as made:
        yield made


def create(server: StandingServer, cwd: Path) -> str:
    """Another program creates a sandbox, and ends."""
    return server.lines("-c", CREATE, cwd=cwd)[0]


def test_a_sandbox_outlives_its_creator_and_a_killed_server_with_its_streams(
    home: Restarted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_id = create(home.server, tmp_path)
    monkeypatch.setenv("MOTET_HOME", str(home.home))
    monkeypatch.setenv("MOTET_SERVER", "home")
    try:
        box = motet.Sandbox.from_name("agents", "ws")
        assert box.object_id == sandbox_id
        lines = iter(box.stdout)
        assert next(lines) == "begun\n"
        box.set_tags({"c": "d"})
        process = box.exec("cat")
        home.restart()
        assert box.get_tags() == {"c": "d"}
        process.stdin.write("that")
        process.stdin.write_eof()
        process.stdin.drain()
        assert (process.stdout.read(), process.wait()) == ("that", 0)
        box.stdin.write("this\n")
        box.stdin.drain()
        assert list(lines) == ["got this\n"]
        box.wait()
        assert box.returncode == 0
        home.restart()
        again = motet.Sandbox.from_id(sandbox_id)
        again.wait()
        assert (again.returncode, list(motet.Sandbox.list())) == (0, [])
        with pytest.raises(DataLossError):
            again.stdout.read()
    finally:
        standing.disconnect()


def server_process(server: StandingServer, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "motet", *words],
        env={**server.client_env, "MOTET_SERVER": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_sandboxes_are_listed_entered_read_and_ended_from_a_terminal(
    server: StandingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTET_HOME", str(server.home))
    monkeypatch.setenv("MOTET_SERVER", "home")

    def command(*words: str) -> str:
        """In this process, where the command needs no terminal: starting another takes longer than all that it does."""
        done = CliRunner().invoke(motet_command, ["sandbox", *words], env={"MOTET_SERVER": ""})
        assert done.exit_code == 0, done.output
        return done.stdout

    try:
        app = motet.App.lookup("agents", create_if_missing=True)
        line = "echo begun; read line; echo got $line"
        sandbox_id = motet.Sandbox.create("sh", "-c", line, app=app, name="ws", tags={"a": "b"}).object_id
        (listed,) = json.loads(command("list", "--json"))
        assert (listed["sandbox_id"], listed["name"], listed["returncode"]) == (sandbox_id, "ws", None)
        shell = server_process(server, "shell", "ws", "-c", "cat; echo bad $MOTET_SANDBOX_ID >&2; exit 4")
        other = server_process(server, "sandbox", "exec", sandbox_id[-6:], "--", "sh", "-c", "cat; exit 5")
        assert (*shell.communicate("typed", PATIENCE), shell.returncode) == ("typed", f"bad {sandbox_id}\n", 4)
        assert (*other.communicate("more", PATIENCE), other.returncode) == ("more", "", 5)
        wait_until(lambda: command("logs", "ws") == "begun\n", "the line is in the records")
        command("terminate", "--yes", "ws")
        (ended,) = json.loads(command("list", "--all", "--json"))
        assert (ended["ended"], ended["returncode"]) == ("terminated", 137)
        assert "it was terminated" in command("list", "--all")
    finally:
        standing.disconnect()


def test_shell_opens_one_like_a_functions_container(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import motet\napp = motet.App('shop')\n"
        f"image = motet.Image.debian_slim().add_local_file('shop.py', '{tmp_path}/there/copy.py')\n"
        "@app.function(image=image, env={'COLOUR': 'red'})\ndef price() -> int:\n    return 3\n"
    )
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "motet",
            "shell",
            "shop.py::price",
            "-c",
            "echo $COLOUR; python -c 'import shop; print(shop.app)'; echo $PYTHONPATH; cat there/copy.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == "red"
    assert "shop" in ran.stdout.splitlines()[1]
    assert ran.stdout.splitlines()[-1] == "    return 3", (
        "files of the image are at their paths for as long as the shell is open"
    )
    assert not (tmp_path / "there").exists()
    places = ran.stdout.splitlines()[2].split(os.pathsep)
    assert str(tmp_path) in places
    assert not [place for place in places if "site-packages" in place], "packages are those of the image's environment"
