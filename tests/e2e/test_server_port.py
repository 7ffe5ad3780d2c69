"""A server that stays on a port: programs that reach it over TLS and in a WebSocket, and whoever watches over it."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.standing import PATIENCE, StandingServer, standing_server

PROGRAM = """
import motet

app = motet.App("far")


@app.function()
@motet.concurrent(max_inputs=10)
async def triple(x: int) -> int:
    return 3 * x


@app.function()
def large(data: bytes) -> bytes:
    return data[::-1]


@app.local_entrypoint()
def main() -> None:
    print("sum", sum(triple.map(range(20))))
    data = bytes(range(256)) * 20_000
    print("large", large.remote(data) == data[::-1])
"""


class Far:
    """A server with TLS, and what its users elsewhere have written down."""

    def __init__(self, server: StandingServer, notified: socket.socket) -> None:
        self.server = server
        self.notified = notified
        said = "".join(server.said)
        found = re.search(r"tls:127\.0\.0\.1:(\d+).*(sha256:[0-9a-f]{64}).*this once: (\S+)", said, re.DOTALL)
        assert found is not None, said
        self.port, self.fingerprint, self.token = int(found[1]), found[2], found[3]

    def motet(self, server: str, *argv: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command as somebody does who has no part in the server's home."""
        elsewhere = {
            "MOTET_HOME": f"{self.server.home}-elsewhere",
            "MOTET_SERVER": server,
            "MOTET_TOKEN": self.token,
            "MOTET_SERVER_FINGERPRINT": self.fingerprint,
        }
        return subprocess.run(
            [sys.executable, "-m", "motet", *argv],
            cwd=cwd,
            env={**os.environ, **elsewhere, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    directory = tmp_path_factory.mktemp("far")
    (directory / "program.py").write_text(PROGRAM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(directory / "notify"))
        notified.settimeout(PATIENCE)
        env = {"NOTIFY_SOCKET": str(directory / "notify")}
        with standing_server(directory / "home", "--port", "0", "--tls", env=env) as server:
            yield Far(server, notified)
            status, _, err = server.end()
            assert status == 0
            # Those who found its fingerprint wrong have hung up.
            assert all("came to nothing: no TLS came about" in line for line in err.splitlines()), err


@pytest.mark.parametrize("kind", ["tls", "wss"])
def test_a_program_elsewhere_runs_on_it(far: Far, kind: str) -> None:
    address = f"tls:127.0.0.1:{far.port}" if kind == "tls" else f"wss://127.0.0.1:{far.port}"
    done = far.motet(address, "run", "-q", "program.py", cwd=far.server.home.parent)
    assert (done.returncode, done.stdout) == (0, "sum 570\nlarge True\n"), done.stderr


def test_a_profile_says_where_it_is_and_its_status_is_asked_from_elsewhere(far: Far, tmp_path: Path) -> None:
    config = {"MOTET_CONFIG": str(tmp_path / "profiles.toml"), "MOTET_SERVER_FINGERPRINT": "", "MOTET_TOKEN": ""}
    for key, value in (
        ("server", f"tls:localhost:{far.port}"),
        ("token", far.token),
        ("fingerprint", far.fingerprint.upper().replace("SHA256", "sha256")),
    ):
        assert far.motet("", "config", "set", key, value, **config).returncode == 0
    done = far.motet("", "server", "status", "--json", **config)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["address"], told["problems"]) == ("ready", f"tls:localhost:{far.port}", [])
    assert told["fingerprint"] == far.fingerprint
    assert told["pid"] == far.server.process.pid
    assert told["connections"]["admin"] == 1
    assert told["certificate_expires_at"] > told["started_at"]
    assert "ready at tls:" in far.motet("", "server", "status", **config).stdout


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"MOTET_TOKEN": "motet_wrong"}, "the token (MOTET_TOKEN) is none here"),
        ({"MOTET_SERVER_FINGERPRINT": "sha256:" + "00" * 32}, "which is pinned: it is another server"),
        ({"MOTET_SERVER_FINGERPRINT": ""}, "Pin the fingerprint that `motet server` prints"),
    ],
)
def test_who_has_it_wrong_is_told_on_one_line(far: Far, env: dict[str, str], message: str) -> None:
    done = far.motet(f"tls:127.0.0.1:{far.port}", "server", "status", **env)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
    assert "motet_" not in line


def test_who_watches_over_it_asks_over_https_without_a_token(far: Far) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}))
    for path in ("livez", "readyz"):
        with opener.open(f"https://127.0.0.1:{far.port}/{path}", timeout=PATIENCE) as answer:
            assert (answer.status, answer.read()) == (200, b"ok\n")


def test_systemd_is_told_when_it_is_ready(far: Far) -> None:
    assert far.notified.recv(1000).startswith(b"READY=1\nSTATUS=listens at unix:")


def test_a_server_that_is_not_there_is_no_status(tmp_path: Path) -> None:
    env = {**os.environ, "MOTET_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "motet", "server", "status"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "`motet server` starts one" in done.stderr
