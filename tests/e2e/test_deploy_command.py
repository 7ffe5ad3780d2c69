"""`motet deploy`, and `motet app` about what it left with a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

SHOP = """
import motet
from parts import EACH

app = motet.App("shop")


@app.function(timeout={timeout})
def price(pieces: int) -> int:
    print("a price of version", EACH)
    return pieces * EACH


@app.function()
@motet.fastapi_endpoint()
def page() -> str:
    return "shop"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingServer]:
    with standing_server(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(tmp_path, 10)
    return tmp_path


def write(directory: Path, each: int, timeout: int = 60, more: str = "") -> None:
    (directory / "shop.py").write_text(SHOP.replace("{timeout}", str(timeout)) + more)
    (directory / "parts.py").write_text(f"EACH = {each}\n")


def motet(server: StandingServer, directory: Path, *command: str, status: int = 0) -> str:
    return server.motet(*command, cwd=directory, status=status, PYTHONDONTWRITEBYTECODE="1")


def call(server: StandingServer, name: str = "shop") -> str:
    code = f"import motet; print(motet.Function.from_name({name!r}, 'price').remote(2))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=server.client_env, capture_output=True, text=True, check=True).stdout.strip()


def test_an_app_goes_from_a_file_through_versions_and_back(server: StandingServer, directory: Path) -> None:
    first, url = motet(server, directory, "deploy", "shop.py", "--tag", "first").splitlines()
    assert first.startswith("shop v1: 2 functions, 1 web, in ")
    assert url.startswith("  page: http")
    assert call(server) == "20"

    write(directory, 11, timeout=70, more="\n\n@app.function()\ndef refund() -> int:\n    return 0\n")
    told = motet(server, directory, "deploy", "shop.py", "--dry-run").splitlines()
    assert told[0] == "shop v2 would be deployed: 3 functions, 1 web; nothing was changed"
    assert told[1:3] == ["  new: refund", "  changed: price (timeout, startup_timeout)"]
    assert told[3].startswith("  source: ")
    assert told[4].startswith("  to be sent: 2 files, ")
    assert "parts.py" in told[4]
    assert call(server) == "20"

    assert motet(server, directory, "deploy", "-m", "shop").startswith("shop v2: 3 functions, 1 web, in ")
    assert call(server) == "22"
    assert motet(server, directory, "app", "rollback", "shop").startswith("shop v3 has the name, as v1, after ")
    assert call(server) == "20"
    assert motet(server, directory, "app", "rollback", "shop", "v2").startswith("shop v4 has the name, as v2, after ")
    assert call(server) == "22"

    views = json.loads(motet(server, directory, "app", "history", "shop", "--json"))
    assert [(it["version"], it["source_version"], it["tag"]) for it in views] == [
        (4, 2, ""),
        (3, 1, "first"),
        (2, 0, ""),
        (1, 0, "first"),
    ]
    table = motet(server, directory, "app", "history", "shop").splitlines()
    assert table[0].split()[:4] == ["version", "state", "deployed", "by"]
    assert table[1].split()[:2] == ["v4", "live"]
    assert table[4].split()[:2] == ["v1", "replaced"]

    apps = json.loads(motet(server, directory, "app", "list", "--json"))
    (live,) = (it for it in apps if it["state"] == "deployed")
    assert (live["name"], live["version"], live["ended_at"]) == ("shop", 4, None)
    wait_until(
        lambda: "version 10" in motet(server, directory, "app", "logs", "shop", "--version", "v1"), "lines to be kept"
    )
    assert "version 11" not in motet(server, directory, "app", "logs", "shop", "--version", "1")
    assert "version 11" in motet(server, directory, "app", "logs", "shop")
    said = motet(server, directory, "app", "stop", "-y", live["app_id"])
    assert said == ""
    assert not [it for it in json.loads(motet(server, directory, "app", "list", "--json")) if it["state"] != "ended"]


def test_an_app_can_have_another_name_and_is_stopped_by_it(server: StandingServer, directory: Path) -> None:
    assert motet(server, directory, "deploy", "shop.py::app", "--name", "kiosk").startswith("kiosk v1: ")
    assert call(server, "kiosk") == "20"
    assert "Nobody can answer that here" in motet(server, directory, "app", "stop", "kiosk", status=1)
    assert motet(server, directory, "app", "stop", "kiosk", "--yes") == ""
    command = [sys.executable, "-c", "import motet; motet.Function.from_name('kiosk', 'price').remote(1)"]
    done = subprocess.run(command, env=server.client_env, capture_output=True, text=True, check=False)
    assert "Lookup failed for Function 'price' from the 'kiosk' app: App 'kiosk' is not deployed" in done.stderr


def test_json_says_what_was_deployed(server: StandingServer, directory: Path) -> None:
    told = json.loads(motet(server, directory, "deploy", "shop.py", "--name", "json", "--json"))
    assert told["deployment"]["name"] == "json"
    assert list(told["urls"]) == ["page"]
    assert told["seconds"] > 0
    motet(server, directory, "app", "stop", "json", "--yes")


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["deploy", "nothing.py"], 2, "There is no file 'nothing.py'"),
        (["deploy", "parts.py"], 2, "parts.py has no app that could be deployed: an app is a variable of the module"),
        (["deploy", "shop.py", "--percent", "5"], 2, "--percent and --rollback-on are for --strategy canary"),
        (["deploy", "shop.py", "--name", "a/b"], 2, "Invalid App name: 'a/b'"),
        (["deploy", "shop.py", "--server", "unix:nobody"], 1, "the one that is named is not there"),
        (["app", "history", "nobody"], 1, "App 'nobody' is not deployed"),
        (["app", "rollback", "nobody"], 1, "App 'nobody' is not deployed"),
        (
            ["app", "rollback", "nobody", "vv"],
            2,
            "Invalid version specifier: vv. Expected a positive version number, e.g.",
        ),
        (["app", "rollback", "nobody", "0"], 2, "Invalid version specifier: 0."),
        (["app", "promote", "nobody"], 1, "App 'nobody' is not deployed"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    server: StandingServer, directory: Path, command: list[str], status: int, message: str
) -> None:
    told = motet(server, directory, *command, status=status)
    assert message in told
    assert "Traceback" not in told


def test_a_program_that_fails_shows_its_traceback_and_deploys_nothing(server: StandingServer, directory: Path) -> None:
    (directory / "parts.py").write_text("EACH = 1 / 0\n")
    told = motet(server, directory, "deploy", "shop.py", "--name", "broken", status=1)
    assert "ZeroDivisionError" in told
    assert "is not deployed" in motet(server, directory, "app", "history", "broken", status=1)


def test_without_a_server_the_two_commands_are_told(directory: Path) -> None:
    env = {**os.environ, "MOTET_HOME": str(directory / "nobody")}
    command = [sys.executable, "-m", "motet", "deploy", "shop.py"]
    done = subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("Start one, and use it:\n  motet server\n  motet deploy FILE\n")


def test_a_canary_serves_beside_the_version_before_until_it_is_promoted_or_rolled_back(
    server: StandingServer, directory: Path
) -> None:
    def states() -> list[tuple[int, str, float]]:
        views = json.loads(motet(server, directory, "app", "history", "two", "--json"))
        return [(it["version"], it["state"], it["share"]) for it in views]

    motet(server, directory, "deploy", "shop.py", "--name", "two")
    write(directory, 11)
    canary = ["deploy", "shop.py", "--name", "two", "--strategy", "canary"]
    told = motet(server, directory, *canary, "--percent", "30", "--rollback-on", "error-rate=50%")
    assert told.startswith("two v2 (canary, 30 % of the inputs): 2 functions, 1 web, in ")
    assert states() == [(2, "canary", 30.0), (1, "live", 70.0)]
    assert motet(server, directory, "app", "promote", "two", "--yes").startswith("two v2 has the name, after ")
    assert states() == [(2, "live", 100.0), (1, "replaced", 0.0)]
    assert "no canary" in motet(server, directory, "app", "promote", "two", "--yes", status=1)
    motet(server, directory, *canary)
    assert motet(server, directory, "app", "rollback", "two").startswith("two v2 has the name, after ")
    assert states() == [(3, "replaced", 0.0), (2, "live", 100.0), (1, "replaced", 0.0)]
    assert "no rule for a rollback" in motet(server, directory, *canary, "--rollback-on", "mood=bad", status=2)
    motet(server, directory, "app", "stop", "two", "--yes")


def test_a_version_whose_containers_do_not_start_leaves_the_one_before(server: StandingServer, directory: Path) -> None:
    motet(server, directory, "deploy", "shop.py", "--name", "kept")
    assert call(server, "kept") == "20"
    (directory / "parts.py").write_text("import motet\nEACH = 1\nif not motet.is_local():\n    1 / 0\n")
    told = motet(server, directory, "deploy", "shop.py", "--name", "kept", status=1)
    assert "kept v2 was not deployed, and v1 serves on" in told
    assert "ZeroDivisionError: division by zero" in told
    assert 'parts.py", line 4' in told
    assert call(server, "kept") == "20"
    # By its name, the version that serves is meant, though the one that failed is younger.
    about = json.loads(motet(server, directory, "app", "info", "kept", "--json"))
    assert (about["state"], about["version"]) == ("deployed", 1)
    motet(server, directory, "app", "stop", "kept", "--yes")
