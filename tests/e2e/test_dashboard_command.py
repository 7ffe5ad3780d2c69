"""The dashboard from the command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from .conftest import wait_until

MOTET = [sys.executable, "-c", "from motet.cli.main import main; main()"]
PROGRAM = """
import motet

app = motet.App("short")

@app.function()
def double(x: int) -> int:
    print("doubling", x)
    return 2 * x

@app.local_entrypoint()
def main():
    print(double.remote(4))
    input()
    print(double.remote(5))
"""


def environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "MOTET_HOME": str(directory / "home"), "MOTET_DASHBOARD_PORT": "0"}


def motet(*arguments: str, directory: Path, status: int = 0) -> str:
    """What a command prints."""
    ended = subprocess.run(
        [*MOTET, *arguments], env=environment(directory), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == status, ended.stderr
    return ended.stderr if status else ended.stdout


def test_run_with_a_dashboard_says_where_it_is_and_serves_it_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "short.py"
    file.write_text(PROGRAM)
    errors = tmp_path / "errors"
    with (
        httpx.Client(follow_redirects=True) as client,
        errors.open("w") as stderr,
        subprocess.Popen(
            [*MOTET, "run", "--dashboard", str(file)],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "8\n"
        (url,) = re.findall(r"^Dashboard: (\S+)$", errors.read_text(), re.MULTILINE)
        origin, app_id = url.partition("?")[0].split("/apps/")
        assert app_id.startswith("ap-")
        assert client.get(url).status_code == 200
        app = client.get(f"{origin}/api/apps/{app_id}").json()["app"]
        assert (app["name"], app["running"]) == ("short", True)
        function = client.get(f"{origin}/api/functions/{app['functions'][0]['function_id']}").json()
        first = function["decisions"][0]
        assert (first["live"], first["desired"], first["reason"]) == (0, 1, "1 input at 1 each wants 1")
        lines = client.get(f"{origin}/api/logs?function=double").json()["lines"]
        assert [line["text"] for line in lines if line["source"] == "stdout"] == ["doubling 4"]
        told = [motet("dashboard", *which, directory=tmp_path) for which in ([], ["short"], [app_id])]
        for line in told:
            name, _, again = line.strip().partition(": ")
            assert (name, again.partition("?")[0]) == ("short", url.partition("?")[0])
            assert httpx.get(again, follow_redirects=False).status_code == 303
        assert "no app long runs" in motet("dashboard", "long", directory=tmp_path, status=1)
        out, _ = process.communicate("\n", timeout=60)
    assert (process.returncode, out) == (0, "10\n")
    assert errors.read_text().count("Dashboard: ") == 1


def test_serve_with_a_dashboard_says_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "short.py"
    file.write_text(PROGRAM)
    errors = tmp_path / "errors"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [*MOTET, "serve", "--dashboard", str(file)], cwd=tmp_path, env=environment(tmp_path), stderr=stderr
        ) as process,
    ):
        wait_until(lambda: "Serving" in errors.read_text(), "the app to be served", timeout=60)
        (url,) = re.findall(r"^Dashboard: (\S+)$", errors.read_text(), re.MULTILINE)
        assert httpx.get(url, follow_redirects=False).status_code == 303
        refused = httpx.get(url)
        assert (refused.status_code, "`motet dashboard`" in refused.text) == (401, True)
        process.send_signal(signal.SIGINT)
        process.wait(60)
