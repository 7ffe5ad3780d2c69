"""Apps that are left with a server that stays, and called by name from other programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer, standing_server

SHOP = """
import os

import motet

app = motet.App("shop")


@app.function()
def price(pieces: int) -> int:
    return pieces * {each}


@app.function()
def parent(pieces: int) -> int:
    return price.remote(pieces) + 1


@app.function()
def waits(path: str) -> int:
    import time

    open(path + ".began", "w").close()
    while not os.path.exists(path):
        time.sleep(0.01)
    return price.remote(1)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandingServer]:
    with standing_server(tmp_path / "home") as server:
        yield server


def run(server: StandingServer, code: str, where: Path) -> str:
    """What a program writes that uses this server without being told of it: its home is enough."""
    env = {name: value for name, value in server.client_env.items() if name != "MOTET_SERVER"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=env, cwd=where, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def deploy(server: StandingServer, where: Path, each: int, options: str = "") -> str:
    (where / f"shop{each}.py").write_text(SHOP.replace("{each}", str(each)))
    return run(
        server, f"import shop{each} as shop; print(shop.app.deploy({options}) is shop.app, shop.price.remote(2))", where
    )


def test_a_deployed_app_is_called_from_other_programs_through_redeploys_and_rollbacks(
    server: StandingServer, tmp_path: Path
) -> None:
    assert deploy(server, tmp_path, 10) == "True 20"
    call = "import motet; print(motet.Function.from_name('shop', '{}').remote(2))"
    assert run(server, call.format("price"), tmp_path) == "20"
    # A program that holds a handle, and an input that runs, see the redeploy each in their way.
    waiting = tmp_path / "go"
    held = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import motet, os, time
price = motet.Function.from_name("shop", "price")
call = motet.Function.from_name("shop", "waits").spawn({str(waiting)!r})
while not os.path.exists({str(waiting)!r} + ".began"):
    time.sleep(0.01)
print(price.remote(2), flush=True)
input()
print(price.remote(2), call.get(), flush=True)
""",
        ],
        env={**server.client_env},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "20\n"
    assert deploy(server, tmp_path, 11, "tag='second'") == "True 22"
    waiting.touch()
    told, _ = held.communicate("\n", timeout=PATIENCE)
    assert told == "22 10\n"  # the call went on with the version that had taken it
    assert run(server, call.format("parent"), tmp_path) == "23"


def test_what_was_deployed_serves_again_after_the_server_was_killed(tmp_path: Path) -> None:
    first = StandingServer(tmp_path / "home")
    deploy(first, tmp_path, 10)
    deploy(first, tmp_path, 11)
    first.process.kill()
    first.process.communicate()
    with standing_server(tmp_path / "home") as again:
        call = "import motet; print(motet.Function.from_name('shop', 'price').remote(2))"
        assert run(again, call, tmp_path) == "22"
        assert (
            run(again, "import motet; print(motet.Function.from_name('shop', 'price', version=1).remote(2))", tmp_path)
            == "20"
        )
        assert deploy(again, tmp_path, 12) == "True 24"


BROKEN = """
import motet

app = motet.App("shop")

if not motet.is_local():
    import no_such_module

@app.function()
def price(pieces: int) -> int:
    return 0
"""


def test_a_version_that_cannot_be_imported_in_containers_leaves_the_one_before_as_it_is(
    server: StandingServer, tmp_path: Path
) -> None:
    deploy(server, tmp_path, 10)
    (tmp_path / "broken.py").write_text(BROKEN)
    try_it = "import broken\ntry: broken.app.deploy()\nexcept Exception as error: print(type(error).__name__, error)"
    said = run(server, try_it, tmp_path)
    assert said.startswith(
        "ServiceError shop v2 was not deployed, and v1 serves on: a container of price failed to start: "
    )
    assert "ModuleNotFoundError: No module named 'no_such_module'" in said
    assert "broken.py" in said
    assert run(server, "import motet; print(motet.Function.from_name('shop', 'price').remote(2))", tmp_path) == "20"


LOADED = """
import motet

app = motet.App("loaded")
VERSION = {version}

@app.function()
@motet.concurrent(max_inputs=20)
async def number() -> int:
    return VERSION

@app.function()
@motet.concurrent(max_inputs=20)
async def items(count: int):
    import asyncio

    for _ in range(count):
        await asyncio.sleep(0.002)
        yield VERSION

@app.function()
@motet.concurrent(max_inputs=20)
@motet.fastapi_endpoint()
async def page() -> int:
    return VERSION
"""

LOAD = """
import json, sys, threading, urllib.request

import motet

url, rounds = sys.argv[1], json.loads(sys.argv[2])
number = motet.Function.from_name("loaded", "number")
items = motet.Function.from_name("loaded", "items")
found, failed, over = {}, [], threading.Event()

def again(what, once):
    while not over.is_set():
        try:
            found.setdefault(what, []).append(once())
        except Exception as error:
            failed.append(f"{what}: {error!r}")

def stream():
    got = list(items.remote_gen(20))
    assert len(got) == 20 and len(set(got)) == 1, got
    return got[0]

def page():
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())

workers = [threading.Thread(target=again, args=it) for it in
    [("calls", number.remote), ("calls", number.remote), ("streams", stream), ("pages", page), ("pages", page)]]
for worker in workers:
    worker.start()
print("loads", flush=True)
sys.stdin.readline()
over.set()
for worker in workers:
    worker.join()
print(json.dumps({"found": {what: sorted(set(seen)) for what, seen in found.items()}, "failed": failed[:5]}))
"""


def test_nothing_fails_while_versions_take_each_others_place_under_load(server: StandingServer, tmp_path: Path) -> None:
    def next_version(version: int) -> str:
        (tmp_path / f"loaded{version}.py").write_text(LOADED.replace("{version}", str(version)))
        code = f"import loaded{version} as it; it.app.deploy(); print(it.page.get_web_url())"
        return run(server, code, tmp_path)

    url = next_version(1)
    load = subprocess.Popen(
        [sys.executable, "-c", LOAD, url, "1"],
        env=server.client_env,
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdout is not None
    assert load.stdout.readline() == "loads\n"
    assert [next_version(version) for version in (2, 3)] == [url, url]
    code = (
        "from motet.client.dual import run_blocking; from motet.client.reach import acquire;"
        "from motet.wire.deployment_messages import RollBackApp; import os; os.environ['MOTET_SERVER'] = 'home';"
        "server = acquire(); run_blocking(server.wait_started());"
        "print(run_blocking(server.connection.request(RollBackApp('loaded', 1))).deployment.version)"
    )
    assert run(server, code, tmp_path) == "4"
    told, _ = load.communicate("\n", timeout=PATIENCE)
    seen = json.loads(told)
    assert seen["failed"] == []
    assert all(1 in versions and 3 in versions for versions in seen["found"].values()), seen


HELD = """
import os
import time

import motet

app = motet.App("held")

@app.function()
def hold(path: str) -> int:
    with open(path + ".began", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while not os.path.exists(path):
        time.sleep(0.01)
    return {version}
"""


def test_inputs_of_all_versions_outlive_a_server_that_is_killed(tmp_path: Path) -> None:
    first = StandingServer(tmp_path / "home")

    def next_version(version: int) -> None:
        (tmp_path / f"held{version}.py").write_text(HELD.replace("{version}", str(version)))
        run(first, f"import held{version}; held{version}.app.deploy()", tmp_path)

    def call(name: str) -> subprocess.Popen[str]:
        code = f"import motet; print(motet.Function.from_name('held', 'hold').remote({str(tmp_path / name)!r}))"
        called = subprocess.Popen(
            [sys.executable, "-c", code], env=first.client_env, cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        wait_until((tmp_path / f"{name}.began").exists)
        return called

    next_version(1)
    old = call("old")
    next_version(2)
    new = call("new")
    first.process.kill()
    first.process.communicate()
    with standing_server(tmp_path / "home") as again:
        for name in ("old", "new"):
            (tmp_path / name).touch()
        assert [called.communicate(timeout=PATIENCE)[0] for called in (old, new)] == ["1\n", "2\n"]
        assert all(len((tmp_path / f"{name}.began").read_text().split()) == 1 for name in ("old", "new"))
        listing = run(
            again,
            "from motet.client.dual import run_blocking; from motet.client.reach import acquire; import os;"
            "from motet.wire.deployment_messages import ListDeployments; os.environ['MOTET_SERVER'] = 'home';"
            "server = acquire(); run_blocking(server.wait_started());"
            "print([(it.version, it.state) for it in"
            " run_blocking(server.connection.request(ListDeployments('held'))).found])",
            tmp_path,
        )
        assert listing == "[(2, 'live'), (1, 'replaced')]"
