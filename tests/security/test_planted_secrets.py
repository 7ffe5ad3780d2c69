"""Secrets that were planted wherever one can be given are looked for in all that a server writes, shows and keeps."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import COMMAND, PATIENCE

PROGRAM = """
import os
import motet

app = motet.App("planted", secrets=[motet.Secret.from_dict({"APP_SECRET": "planted-app-secret-91"})])

@app.function(env={"PLAIN": "planted-env-92"}, secrets=[motet.Secret.from_dict({"OWN": "planted-own-secret-93"})])
def works(x):
    assert os.environ["OWN"] and os.environ["APP_SECRET"] and os.environ["PLAIN"]
    print("worked", x)
    return x + 1

@app.function(env={"PLAIN": "planted-env-92"})
def fails(x):
    password = os.environ["PLAIN"]
    raise ValueError("no")

@app.function(secrets=[motet.Secret.from_dict({"OWN": "planted-own-secret-93"})], max_containers=1)
@motet.fastapi_endpoint(requires_proxy_auth=True)
def page():
    return {"ok": True}

@app.local_entrypoint()
def main():
    print("got", works.remote(1))
    try:
        fails.remote(1)
    except ValueError:
        print("failed")
"""

PLANTED = {
    "APP_SECRET": "planted-app-secret-91",
    "env": "planted-env-92",
    "OWN": "planted-own-secret-93",
    "of the server": "planted-server-password-94",
    "proxy token": "planted-proxy-secret-95",
}
KEPT_WHERE = ("server/bundles",)
"""Of the home: the source that is deployed, in which this program has its secrets."""


class Found:
    """All that was written and shown, by where."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def add(self, where: str, text: str | bytes) -> None:
        self.texts[where] = text.encode() if isinstance(text, str) else text

    def home(self, home: Path) -> None:
        for path in home.rglob("*"):
            if path.is_file() and not path.relative_to(home).as_posix().startswith(KEPT_WHERE):
                self.add(f"file {path.relative_to(home)}", path.read_bytes())

    def leaks(self, secrets: dict[str, str]) -> list[tuple[str, str]]:
        return [
            (name, where)
            for name, secret in secrets.items()
            for where, text in self.texts.items()
            if secret.encode() in text or base64.b64encode(secret.encode()) in text
        ]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, dict[str, str]]:
    home, directory = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("program")
    (directory / "planted.py").write_text(PROGRAM)
    env = {
        "DATABASE_PASSWORD": PLANTED["of the server"],
        "MOTET_PROXY_TOKENS": f"alice:{PLANTED['proxy token']}",
        "MOTET_METRICS_PORT": "0",
        "MOTET_DASHBOARD_PORT": "0",
        "MOTET_LOG_FORMAT": "json",
        "MOTET_TRACE": str(directory / "traces"),
    }
    found = Found()
    output = directory / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0"],
            env={**os.environ, "MOTET_HOME": str(home), **env},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b"Ready" in output.read_bytes(), "the server to be ready", PATIENCE)
        tokens = _use(output.read_text(), home, directory, found)
        process.terminate()
        assert process.wait(PATIENCE) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
    told = [line for line in output.read_text().splitlines() if "shown this once" not in line]
    found.add("the server's output", "\n".join(told))
    found.home(home)
    for path in (directory / "traces").glob("*"):
        found.add(f"trace {path.name}", path.read_bytes())
    return found, {**PLANTED, **tokens}


def _use(told: str, home: Path, directory: Path, found: Found) -> dict[str, str]:
    """Do with it what users do; `told` is what it said when it began. The tokens that were made."""
    env = {**os.environ, "MOTET_HOME": str(home), "MOTET_SERVER": "home"}

    def motet(*argv: str) -> str:
        command = [sys.executable, "-m", "motet", *argv]
        done = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        if argv[:2] != ("token", "new"):
            found.add(f"motet {' '.join(argv)}", done.stdout + done.stderr)
        return done.stdout

    (admin,) = re.findall(r"(motet_[\w-]+)", told)
    (port,) = re.findall(r"tcp:127\.0\.0\.1:(\d+)", told)
    (dashboard,) = re.findall(r"dashboard is at (http://\S+?),", told)
    ops = motet("token", "new", "ops", "--right", "operate", "--right", "call").strip()
    assert "got 2" in motet("run", "planted.py::main")
    motet("deploy", "planted.py")
    apps = json.loads(motet("app", "list", "--json"))
    app = next(each for each in apps if "planted" in each.values())
    for argv in (
        ("app", "list"), ("app", "history", "planted"), ("logs",), ("token", "list"), ("token", "list", "--json"),
        ("server", "status"), ("server", "audit"), ("server", "audit", "--json"), ("function", "list"), ("container", "list"),
    ):  # fmt: skip
        motet(*argv)
    with httpx.Client(timeout=30) as client:
        bearer = {"authorization": f"Bearer {ops}"}
        api = f"http://127.0.0.1:{port}/v1/apps"
        for name in ("works", "fails"):
            answer = client.post(f"{api}/planted/functions/{name}/call", headers=bearer, json={"args": [1]})
            found.add(f"API {name}", str(answer.headers) + answer.text)
        for path in ("", "/planted", "/planted/deployments", "/planted/functions/works", "/planted/logs"):
            answer = client.get(api + path, headers=bearer)
            found.add(f"API {path}", str(answer.headers) + answer.text)
        login = client.post(f"{dashboard}/login", data={"token": ops})
        found.add("login", login.headers["location"] + login.text)
        for path in ("/api/apps", "/api/calls", "/api/logs", "/apps", "/metrics", f"/api/apps/{app['app_id']}"):
            answer = client.get(dashboard + path)
            assert answer.status_code == 200, (path, answer.text)
            found.add(f"dashboard {path}", str(answer.headers) + answer.text)
        for call in client.get(f"{dashboard}/api/calls").json()["calls"]:
            call_id = call["call_id"]
            found.add(f"call {call_id}", client.get(f"{dashboard}/api/calls/{call_id}/inputs").text)
            for each in client.get(f"{dashboard}/api/calls/{call_id}/inputs").json()["inputs"]:
                found.add(f"input {each['input_id']}", client.get(f"{dashboard}/api/inputs/{each['input_id']}").text)
        wrong = client.get(api, headers={"authorization": "Bearer motet_planted-wrong-token-96"})
        found.add("a wrong token", wrong.text)
    motet("token", "revoke", "ops")
    return {"admin token": admin, "token": ops, "wrong token": "planted-wrong-token-96"}


def test_no_secret_is_in_what_is_written_shown_or_kept(found: tuple[Found, dict[str, str]]) -> None:
    everything, secrets = found
    assert len(everything.texts) > 40
    assert any(b"worked 1" in text for text in everything.texts.values())  # what is to be there is
    assert any(b"ValueError" in text for text in everything.texts.values())
    assert everything.leaks(secrets) == []


def test_a_secret_would_be_found(found: tuple[Found, dict[str, str]]) -> None:
    leaky = Found()
    leaky.add("a log", f"password={PLANTED['env']}")
    leaky.add("a header", base64.b64encode(PLANTED["OWN"].encode()))
    assert leaky.leaks(PLANTED) == [("env", "a log"), ("OWN", "a header")]
