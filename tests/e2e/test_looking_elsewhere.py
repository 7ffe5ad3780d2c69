"""Commands that look at a server elsewhere: its records are asked over the connection."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from motet.cli.main import motet
from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

SHOP = """
import motet

app = motet.App("shop")


@app.function()
def price(pieces: int) -> int:
    print("a price of version {version}")
    return 10 // pieces
"""


class Elsewhere:
    """Commands with another home, over TCP with a token."""

    def __init__(self, server: StandingServer, directory: Path) -> None:
        (address,) = re.findall(r"tcp:127\.0\.0\.1:\d+", "".join(server.said))
        admin = next(line for line in server.said if "Admin token" in line).split()[-1]
        self.home = directory / "home"
        self._directory = directory
        where = {"MOTET_HOME": str(self.home), "MOTET_SERVER": address, "MOTET_TOKEN": admin}
        self._env = {**server.client_env, **where}
        rights = [each for right in ("call", "deploy", "look") for each in ("--right", right)]
        self.admin = admin
        self.server_home = server.home
        self._env["MOTET_TOKEN"] = self("token", "new", "dev", *rights).strip()

    def __call__(self, *command: str, status: int = 0, **env: str) -> str:
        """What it wrote to stdout, or to stderr if it failed."""
        process = self.follow(*command, **env)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == status, (out, err)
        return out if status == 0 else err

    def quick(self, *command: str, status: int = 0, **env: str) -> str:
        """The same in this process, for commands that only ask."""
        done = CliRunner().invoke(motet, list(command), env={**self._env, **env})
        assert done.exit_code == status, done.output
        return done.stdout if status == 0 else done.stderr

    def follow(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """The same, not waited for."""
        argv = [sys.executable, *(command if command[0] == "-c" else ("-m", "motet", *command))]
        pipe = subprocess.PIPE
        env = {**self._env, **env}
        return subprocess.Popen(argv, cwd=self._directory, env=env, stdout=pipe, stderr=pipe, text=True)

    def deploy(self, version: int) -> None:
        """A version that prints its number."""
        (self._directory / "shop.py").write_text(SHOP.replace("{version}", str(version)))
        self("deploy", "shop.py")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with standing_server(tmp_path_factory.mktemp("home"), "--port", "0") as server:
        there = Elsewhere(server, tmp_path_factory.mktemp("elsewhere"))
        for number in (1, 2):
            there.deploy(number)
            there("-c", "import motet; motet.Function.from_name('shop', 'price').remote(2)")
        code = "import motet; motet.Function.from_name('shop', 'price').remote(0)"
        assert "ZeroDivisionError" in there("-c", code, status=1)
        assert not (there.home / "servers").exists()
        yield there


def test_its_logs_are_read_by_name_by_version_and_by_input(there: Elsewhere) -> None:
    wait_until(lambda: there("app", "logs", "shop").count("version 2") == 2, "lines to be kept")
    assert there("app", "logs", "shop", "--version", "v1") == "a price of version 1\n"
    assert there("logs", "--app", "shop", "--search", "version 1") == "a price of version 1\n"


def test_an_app_its_functions_calls_and_inputs_are_shown(there: Elsewhere) -> None:
    about = json.loads(there("app", "info", "shop", "--json"))
    assert (about["state"], about["version"], about["functions"][0]["name"]) == ("deployed", 2, "price")
    (live,) = json.loads(there("app", "list", "--json"))
    assert (live["name"], live["version"]) == ("shop", 2)
    every = json.loads(there("app", "list", "--all", "--json"))
    assert [(each["state"], each["version"]) for each in every] == [("deployed", 2), ("ended", 1)]

    rows = json.loads(there("function", "calls", "price", "--json"))
    assert [row["status"] for row in rows] == ["failure", "success", "success"]
    assert "3 inputs ended" in there("function", "stats", "price")
    assert "ZeroDivisionError" in there("call", rows[0]["input_id"])
    assert "1 failed" in there("call", rows[0]["function_call_id"])
    assert there("logs", "--input", rows[2]["input_id"]) == "a price of version 1\n"
    failed = rows[0]["input_id"]
    told = there("call", "rerun", failed, "--local", status=1)
    assert re.search(r"the arguments of \S+ are kept by the server at tcp:\S+; ask there", told)


def test_its_lines_are_followed_until_what_writes_them_ends(there: Elsewhere) -> None:
    heard: list[str] = []
    follower = there.follow("app", "logs", "shop", "--follow", "--source", "stdout")
    with follower:
        assert follower.stdout is not None
        heard += [follower.stdout.readline() for _ in range(3)]
        there("-c", "import motet; motet.Function.from_name('shop', 'price').remote(5)")
        heard.append(follower.stdout.readline())
        there("app", "stop", "shop", "--yes")
        rest, told = follower.communicate(timeout=PATIENCE)
    assert (follower.returncode, [*heard, rest]) == (0, ["a price of version 1\n", *["a price of version 2\n"] * 3, ""])
    assert re.match(r"Nothing that writes such lines runs under \S+ or by the server at tcp:\S+ any more", told)
    (row,) = json.loads(there("app", "list", "--json"))
    assert (row["name"], row["version"], row["state"]) == ("shop", 2, "ended")


def test_who_may_administer_reads_its_audit_log(there: Elsewhere) -> None:
    told = there("server", "audit", status=1)
    assert re.search(
        "reading the audit log needs a right that this token does not give: administer; it gives: call", told
    )
    lines = [json.loads(line) for line in there("server", "audit", "--json", MOTET_TOKEN=there.admin).splitlines()]
    deploys = [each for each in lines if each["what"] == "deploy"]
    assert [(each["who"], each["outcome"], each["about"]["name"]) for each in deploys] == [("dev", "done", "shop")] * 2
    assert [each["outcome"] for each in lines if each["what"] == "find_audit"] == ["refused"]
    assert not list(there.home.glob("server/audit/*"))


def test_what_is_nowhere_is_told_with_both_places(there: Elsewhere) -> None:
    told = there("app", "logs", "shup", status=1)
    where = r"no app 'shup' is known under \S+ or by the server at tcp:127\.0\.0\.1:\d+"
    assert re.search(rf"{where}; did you mean 'shop'\?", told)
    assert re.search(rf"{where.replace('shup', 'books')}; there are: shop", there("app", "logs", "books", status=1))


def test_a_server_that_runs_under_the_home_and_is_named_by_its_port_is_asked_once(there: Elsewhere) -> None:
    there.deploy(3)
    listed = json.loads(there("container", "list", "--json", MOTET_HOME=str(there.server_home)))
    found = [each["container_id"] for each in listed]
    assert found
    assert len(found) == len(set(found))


def test_failed_inputs_run_again_there_within_rights_and_each_once(there: Elsewhere) -> None:
    there.deploy(4)
    there("-c", "import motet; motet.Function.from_name('shop', 'price').remote(0)", status=1)
    (live,) = json.loads(there.quick("app", "list", "--json"))
    of_app = "--app", live["app_id"]
    calls = wait_until(
        lambda: json.loads(there.quick("call", "list", "--failed", *of_app, "--json")), "the failed call"
    )
    assert [(it["function_name"], it["counts"]["failed"]) for it in calls] == [("price", 1)]
    failed = f"in-{calls[0]['function_call_id'][3:]}-0"
    told = there.quick("call", "rerun", failed, status=1)
    assert "running a failed input again needs a right that this token does not give: operate" in told
    operator = there.quick("token", "new", "ops", "--right", "operate", MOTET_TOKEN=there.admin).strip()

    def run_all() -> list[list[str]]:
        again = there.quick("call", "rerun", "--failed", *of_app, "--yes", MOTET_TOKEN=operator)
        return [line.split() for line in again.splitlines()]

    ((was, call_id),) = run_all()
    assert was == failed
    wait_until(lambda: call_id in there.quick("call", "list", "--failed", *of_app, "--json"), "it to fail again")
    assert [was for was, _ in run_all()] == [f"in-{call_id[3:]}-0"], "the first has been run again, what it became not"
