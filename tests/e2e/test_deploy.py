"""Apps that are left with a server that stays, and called by name from other programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
