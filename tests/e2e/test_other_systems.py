"""Clients on systems where no server runs: what only Linux has is missing there, and TCP is the way to a server."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.errors import VersionError
from motet.wire import codec
from motet.wire.framing import FrameReader
from motet.wire.hello import Hello, Refused, agreed_version
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

NOBODYS = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
"""An environment in which nothing of this user is found."""
ELSEWHERE = Path(__file__).with_name("programs") / "elsewhere.py"

IMPORTS = """
import importlib, pkgutil
import motet
for package in ("client", "context", "model", "sdk", "wire"):
    for found in pkgutil.walk_packages(importlib.import_module(f"motet.{package}").__path__, f"motet.{package}."):
        importlib.import_module(found.name)
print("imported", len([name for name in sys.modules if name.startswith("motet.")]) > 60)
"""

CALLS = """
import motet

app = motet.App("far")


@app.function()
def double(x: int) -> int:
    return 2 * x


if __name__ == "__main__":
    with app.run():
        print(double.remote(21), list(double.map(range(3))), double.spawn(4).get())
"""


def run_elsewhere(directory: Path, program: str, env: dict[str, str] | None = None) -> str:
    """What the program prints where nothing of Linux is to be had."""
    file = directory / "program.py"
    file.write_text(f"import sys\nif __name__ == '__main__':\n    exec(open({str(ELSEWHERE)!r}).read())\n{program}")
    ended = subprocess.run(
        [sys.executable, str(file)], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    with standing_server(tmp_path_factory.mktemp("home"), "--port", "0") as server:
        yield server


def over_tcp(server: StandingServer) -> dict[str, str]:
    """The environment of a client that has nothing but an address and a token."""
    said = "".join(server.said)
    (address,) = re.findall(r"tcp:127\.0\.0\.1:\d+", said)
    (token,) = re.findall(r"once: (\S+)", said)
    return {"MOTET_SERVER": address, "MOTET_TOKEN": token, **NOBODYS}


def test_all_that_a_client_needs_is_imported_without_what_only_linux_has(tmp_path: Path) -> None:
    assert run_elsewhere(tmp_path, IMPORTS) == "imported True\n"


def test_a_program_calls_over_tcp_without_what_only_linux_has(tmp_path: Path, server: StandingServer) -> None:
    assert run_elsewhere(tmp_path, CALLS, over_tcp(server)) == "42 [0, 2, 4] 8\n"


def test_a_unix_socket_where_there_are_none_is_refused_with_the_way_that_there_is(tmp_path: Path) -> None:
    program = """
import motet
try:
    with motet.App("far").run():
        pass
except motet.exception.ConnectionError as error:
    print(error)
"""
    said = run_elsewhere(tmp_path, program, {"MOTET_SERVER": "unix:/s", **NOBODYS})
    assert "this system has no Unix sockets for Python; name a server over TCP" in said


def answer_hello(listener: socket.socket, versions: tuple[int, int]) -> None:
    """As a server that speaks these versions of the wire does."""
    peer, _ = listener.accept()
    reader = FrameReader()
    with peer:
        while count := peer.recv_into(reader.buffer()):
            for frame in reader.received(count):
                (hello,) = codec.decode_to_server(frame)
                assert isinstance(hello, Hello)
                with pytest.raises(VersionError) as refused:
                    agreed_version(hello, versions)
                peer.sendall(b"".join(codec.frames([Refused(str(refused.value), versions)])))
                return


@pytest.mark.parametrize(("versions", "behind"), [((0, 0), "server"), ((3, 4), "client")])
def test_a_run_on_a_server_that_speaks_another_version_ends_with_one_line_that_says_which_to_upgrade(
    tmp_path: Path, versions: tuple[int, int], behind: str
) -> None:
    (tmp_path / "far.py").write_text(CALLS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_hello, args=(listener, versions))
        thread.start()
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "motet",
                "run",
                "--server",
                f"tcp:127.0.0.1:{listener.getsockname()[1]}",
                "far.py",
                "--x=1",
            ],
            cwd=tmp_path,
            env={"MOTET_TOKEN": "token", **NOBODYS},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        thread.join()
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("motet.errors.VersionError: the server refused the connection: the client runs Motet")
    assert line.endswith(f"upgrade Motet where the {behind} runs")


DEPLOYS = """
import motet

app = motet.App("far")


@app.function()
def double(x: int) -> int:
    return 2 * x


if __name__ == "__main__":
    app.deploy()
    print(double.remote(3), motet.Function.from_name("far", "double").remote(4))
"""

COMMAND = """
from motet.cli.main import main

sys.argv = ["motet", *{argv!r}]
main()
"""


def test_a_program_deploys_over_tcp_without_what_only_linux_has(tmp_path: Path, server: StandingServer) -> None:
    assert run_elsewhere(tmp_path, DEPLOYS, over_tcp(server)) == "6 8\n"


def test_the_commands_about_deployments_need_nothing_of_linux_either(tmp_path: Path, server: StandingServer) -> None:
    (tmp_path / "shop.py").write_text(CALLS)

    def command(*argv: str) -> str:
        return run_elsewhere(tmp_path, COMMAND.format(argv=argv), over_tcp(server))

    assert command("deploy", str(tmp_path / "shop.py"), "--name", "shop").startswith("shop v1: 1 function, in ")
    assert "live" in command("app", "history", "shop")
    assert command("app", "rollback", "shop", "v1").startswith("shop v2 has the name, as v1, after ")
