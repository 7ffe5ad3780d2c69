"""`motet server`: a process of its own that programs use, and that outlives them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import COMMAND, PATIENCE, StandingServer, standing_server

PROGRAM = '''
import os
import subprocess
import sys
import tempfile
import time

import motet
from helper import tripled

app = motet.App("shop")


@app.function()
@motet.concurrent(max_inputs=10)
def triple(x: int) -> int:
    print("tripling", x)
    return tripled(x)


@app.function()
def surroundings() -> dict:
    return {"cwd": os.getcwd(), "env": dict(os.environ), "argv": sys.argv, "sees": os.path.exists("data.txt")}


@app.function()
def knock(how: str) -> str:
    """What the server says to a process of a container that connects as its user's processes do."""
    code = (
        "import os, sys, time; from motet.client.dual import run_blocking;"
        "from motet.client.reach import NamedServer, SocketServer;"
        "(os.fork() and os._exit(0), os.setsid(), os.fork() and os._exit(0)) if sys.argv[2] == 'daemon' else None;"
        "out = open(sys.argv[3], 'w');"
        "named = NamedServer('unix:' + sys.argv[1]);\\n"
        "try: run_blocking(SocketServer(named, {}).wait_started()); out.write('let in')\\n"
        "except Exception as error: out.write(str(error))\\n"
        "out.close(); os.rename(sys.argv[3], sys.argv[3] + '.done')"
    )
    with tempfile.TemporaryDirectory() as place:  # the program's directory may be another user's
        path = f"{place}/knocked"
        subprocess.run([sys.executable, "-c", code, os.environ["SOCKET"], how, path], check=True)
        while not os.path.exists(path + ".done"):
            time.sleep(0.01)
        return open(path + ".done").read()


@app.function()
def hold(path: str, stubborn: bool) -> None:
    open(path, "w").write(str(os.getpid()))
    while True:
        try:
            time.sleep(60)
        except BaseException:
            if not stubborn:
                raise


@app.local_entrypoint()
def main() -> None:
    print("sum", sum(triple.map(range(4))))


@app.local_entrypoint()
def waits(path: str, stubborn: bool = False) -> None:
    hold.remote(path, stubborn)
'''


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("program")
    (directory / "shop.py").write_text(PROGRAM)
    (directory / "helper.py").write_text("def tripled(x):\n    return 3 * x\n")
    (directory / "data.txt").touch()
    return directory


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    home = tmp_path_factory.mktemp("home")
    env = {
        "PASSWORD": "hunter2",
        "MOTET_TOKEN": "mine",
        "FLAVOUR": "plum",
        "MOTET_CONTAINER_ENV": "FLAV*, SOCKET",
        "SOCKET": f"{home}/server/socket",
        "LC_MEASUREMENT": "C",
    }
    with standing_server(home, env=env) as server:
        yield server


def run(server: StandingServer | None, directory: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    env = os.environ if server is None else server.client_env
    command = [sys.executable, "-m", "motet", "run", *argv]
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False)


def motet(server: StandingServer, *argv: str) -> subprocess.CompletedProcess[str]:
    env = {**server.client_env, "MOTET_SERVER": ""}
    command = [sys.executable, "-m", "motet", *argv]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_run_on_the_server_is_as_one_with_a_server_of_its_own(server: StandingServer, directory: Path) -> None:
    own, there = run(None, directory, "shop.py::main"), run(server, directory, "shop.py::main")
    assert (there.returncode, there.stdout) == (own.returncode, own.stdout) == (0, "sum 18\n")
    assert sorted(_told(there.stderr)) == sorted(_told(own.stderr))


def _told(err: str) -> list[str]:
    """The lines of containers, without their ids."""
    return [line.partition("| ")[2] for line in err.splitlines() if "| " in line]


def test_the_server_may_be_named_on_the_command_line(server: StandingServer, directory: Path) -> None:
    address = f"unix:{server.home}/server/socket"
    assert run(None, directory, "-q", "--server", address, "shop.py::main").stdout == "sum 18\n"
    wrong = run(None, directory, "--server", "elsewhere", "shop.py::main")
    assert wrong.returncode == 2
    assert "MOTET_SERVER=elsewhere: there is no such server; it must be 'home'" in wrong.stderr


def test_containers_are_where_the_program_is_and_have_little_of_the_servers_environment(
    server: StandingServer, directory: Path
) -> None:
    done = run(server, directory, "-q", "shop.py::surroundings")
    told = eval(done.stdout)
    assert (told["cwd"], told["sees"]) == (str(directory), True)
    env = told["env"]
    assert env["FLAVOUR"] == "plum"
    assert env["LC_MEASUREMENT"] == "C"
    assert env["PATH"]
    assert not {"PASSWORD", "MOTET_TOKEN", "MOTET_HOME", "MOTET_SERVER"} & env.keys()


@pytest.mark.parametrize("how", ["child", "daemon"])
def test_no_process_of_a_container_may_administer_the_server(server: StandingServer, directory: Path, how: str) -> None:
    done = run(server, directory, "-q", "shop.py::knock", "--how", how)
    if os.environ["MOTET_APP_USERS"] == "on" and os.geteuid() == 0:  # it does not even see the server's directory
        expected = "no connection to the server at unix:"
    else:
        expected = "belongs to a container, or has ended, and a container may not administer this server"
    assert expected in done.stdout, done


def test_an_app_ends_with_its_program_and_the_server_stays(
    server: StandingServer, directory: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "motet", "run", "-q", "shop.py::waits", "--path", str(tmp_path / "held")]
    program = subprocess.Popen(command, cwd=directory, env=server.client_env)
    wait_until(lambda: (tmp_path / "held").exists() and (tmp_path / "held").read_text(), "the input to run")
    container = int((tmp_path / "held").read_text())
    assert json.loads(motet(server, "server", "status", "--json").stdout)["containers"] == 1
    program.kill()
    program.wait()
    wait_until(lambda: not Path(f"/proc/{container}").exists(), "the container to end")
    status = motet(server, "server", "status")
    assert status.returncode == 0
    assert f"ready at unix:{server.home}/server/socket: Motet " in status.stdout
    assert f", process {server.process.pid}, up for " in status.stdout
    listed = motet(server, "app", "list")
    assert "shop" in listed.stdout, listed.stderr


def test_a_second_server_with_the_same_home_says_who_has_it(server: StandingServer) -> None:
    second = subprocess.run(COMMAND, env=server.env, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert f"a server has {server.home} already: process {server.process.pid}, since 20" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_its_socket_goes(tmp_path: Path, number: signal.Signals) -> None:
    with standing_server(tmp_path) as server:
        assert server.said[0] == f"Motet 0.1.0 listens at unix:{tmp_path}/server/socket\n"
        assert server.end(number) == (
            0,
            f"Stopping: 0 apps and all containers ({number.name}; again ends at once)\nThe server has ended.\n",
            "",
        )
    assert not (tmp_path / "server" / "socket").exists()
    assert motet(server, "server", "status").returncode == 1


def test_a_second_signal_ends_it_at_once_with_all_containers_and_another_may_follow(
    tmp_path: Path, directory: Path
) -> None:
    home = tmp_path / "home"
    with standing_server(home) as server:
        # Which cannot end soon, so that the first signal does not end the server before the second one comes.
        waits = ["shop.py::waits", "--stubborn", "--path", str(tmp_path / "held")]
        command = [sys.executable, "-m", "motet", "run", *waits]
        program = subprocess.Popen(
            command, cwd=directory, env=server.client_env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        wait_until(lambda: (tmp_path / "held").exists() and (tmp_path / "held").read_text(), "the input to run")
        container = int((tmp_path / "held").read_text())
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stdout is not None
        assert "Stopping: 1 app " in server.process.stdout.readline()
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 128 + signal.SIGTERM
        wait_until(lambda: not Path(f"/proc/{container}").exists(), "the container to end")
        out, _ = program.communicate(timeout=PATIENCE)
        assert program.returncode == 1
        assert "motet.errors." in out
    with standing_server(home) as server:
        assert run(server, directory, "-q", "shop.py::main").stdout == "sum 18\n"


def test_it_ends_in_order_when_nobody_reads_what_it_says_any_more(tmp_path: Path) -> None:
    server = StandingServer(tmp_path / "home")
    assert server.process.stdout is not None
    assert server.process.stderr is not None
    server.process.stdout.close()
    server.process.send_signal(signal.SIGTERM)
    assert (server.process.stderr.read(), server.process.wait(PATIENCE)) == ("", 0)
    server.process.stderr.close()


def test_the_first_start_prints_an_admin_token_this_once_and_others_are_made_with_it(
    tmp_path: Path, directory: Path
) -> None:
    home = tmp_path / "home"
    with standing_server(home, "--port", "0") as server:
        (told,) = [line for line in server.said if "Admin token" in line]
        admin = told.split()[-1]
        (address,) = re.findall(r"tcp:127\.0\.0\.1:\d+", "".join(server.said))
        assert admin not in (home / "server" / "tokens.json").read_text()

        def with_token(token: str, *argv: str) -> subprocess.CompletedProcess[str]:
            env = {**server.client_env, "MOTET_SERVER": address, "MOTET_TOKEN": token}
            command = [sys.executable, "-m", "motet", *argv]
            return subprocess.run(
                command, cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False
            )

        made = with_token(admin, "token", "new", "ci", "--right", "call", "--right", "deploy", "--expires", "1h")
        assert made.returncode == 0, made.stderr
        ci = made.stdout.strip()
        assert with_token(ci, "run", "-q", "shop.py::main").stdout == "sum 18\n"
        denied = with_token(ci, "token", "list")
        assert denied.returncode == 1
        assert (
            "listing tokens needs a right that this token does not give: administer; it gives: call, deploy"
            in denied.stderr
        )
        assert "the token (MOTET_TOKEN) is none here" in with_token("motet_wrong", "run", "shop.py::main").stderr
        assert "needs a token in MOTET_TOKEN" in with_token("", "run", "shop.py::main").stderr

        listed = json.loads(motet(server, "token", "list", "--json").stdout)
        assert [(each["name"], each["rights"]) for each in listed] == [
            ("admin", ["administer"]),
            ("ci", ["call", "deploy"]),
        ]
        assert listed[1]["expires_at"] - listed[1]["made_at"] == 3600
        assert listed[1]["last_used_at"] >= listed[1]["made_at"]
        assert ci not in motet(server, "token", "list").stdout

        waits = [sys.executable, "-m", "motet", "run", "-q", "shop.py::waits", "--path", str(tmp_path / "held")]
        env = {**server.client_env, "MOTET_SERVER": address, "MOTET_TOKEN": ci}
        program = subprocess.Popen(waits, cwd=directory, env=env, stderr=subprocess.PIPE, text=True)
        wait_until((tmp_path / "held").exists, "the input to run")
        assert motet(server, "token", "revoke", "ci").returncode == 0
        assert "the token was revoked" in program.communicate(timeout=PATIENCE)[1]
        assert program.returncode == 1
        assert "none here" in with_token(ci, "run", "shop.py::main").stderr
    with standing_server(home) as server:
        assert not [line for line in server.said if "Admin token" in line]


def test_where_a_server_serves_web_functions_is_not_for_programs_to_say(
    server: StandingServer, directory: Path
) -> None:
    command = [sys.executable, "-m", "motet", "serve", "--port", "8000", "shop.py"]
    done = subprocess.run(
        command, cwd=directory, env=server.client_env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--port is for a server of this program's own, and another is named, at unix:" in done.stderr


def test_without_a_server_there_a_run_says_what_to_do(tmp_path: Path, directory: Path) -> None:
    env = {**os.environ, "MOTET_HOME": str(tmp_path), "MOTET_SERVER": "home"}
    command = [sys.executable, "-m", "motet", "run", "shop.py::main"]
    done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"no connection to the server at unix:{tmp_path}/server/socket" in done.stderr
    assert "(`motet server`), or unset MOTET_SERVER" in done.stderr


def test_a_server_logs_json_lines_where_that_is_wanted_and_no_secret(tmp_path: Path) -> None:
    env = {**os.environ, "MOTET_HOME": str(tmp_path), "MOTET_LOG_FORMAT": "json", "MOTET_KEEP_RECORD_DAYS": "1"}
    server = subprocess.Popen(COMMAND, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    lines = []
    while not lines or not lines[-1]["message"].startswith("Ready"):
        lines.append(json.loads(server.stderr.readline()))
    new = [sys.executable, "-m", "motet", "token", "new", "bob", "--right", "call"]
    made = subprocess.run(new, env=env, check=True, capture_output=True, text=True)
    server.terminate()
    out, err = server.communicate(timeout=PATIENCE)
    lines += map(json.loads, err.splitlines())
    assert server.returncode == 0
    assert "did you mean MOTET_KEEP_RECORDS_DAYS?" in lines[0]["message"]
    assert lines[-1]["message"] == "The server has ended."
    (request,) = (line for line in lines if line["logger"] == "motet.server.requests")
    assert (request["what"], request["outcome"]) == ("new_token", "done")
    secrets = re.findall(r"motet_[\w-]{20,}", out + made.stdout)
    assert len(secrets) == 2
    assert not any(secret in json.dumps(lines) for secret in secrets)
