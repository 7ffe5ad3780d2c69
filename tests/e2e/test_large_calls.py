"""Large arguments and results of spawned calls: files of the home, which outlive a server that is killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import StandingServer, standing_server
from tests.moto_server import missing, moto_server

PROGRAM = """
import os, time
import motet

app = motet.App("large")

@app.function(max_containers=1)
def doubled(data: bytes, until: str = "") -> bytes:
    while until and not os.path.exists(until):
        time.sleep(0.02)
    return data + data

@app.function()
def sized(data: bytes, fixed: str) -> int:
    if not os.path.exists(fixed):
        raise ValueError(f"{len(data)} are too many")
    return len(data)
"""

CALLER = """
import sys
import motet

what, *arguments = sys.argv[1:]
doubled = motet.Function.from_name("large", "doubled")
data = [bytes([place]) * 400_000 for place in range(3)]
if what == "spawn":
    for each in data:
        print(doubled.spawn(each, *arguments).object_id, flush=True)
else:
    for call_id, each in zip(arguments, data):
        try:
            print(motet.FunctionCall.from_id(call_id).get(timeout=60) == each + each)
        except motet.exception.NotFoundError as error:
            print(error)
"""


BREAKING = """
import sys
import motet

call = motet.Function.from_name("large", "sized").spawn(bytes(400_000), sys.argv[1])
print(call.object_id)
try:
    call.get(timeout=60)
except ValueError as error:
    print(error)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "deployed.py").write_text(PROGRAM)
    (tmp_path / "caller.py").write_text(CALLER)
    (tmp_path / "breaking.py").write_text(BREAKING)
    return tmp_path


def test_they_outlive_a_server_that_is_killed_and_one_that_is_gone_fails_its_input_alone(directory: Path) -> None:
    until, blobs = directory / "until", directory / "home" / "server" / "blobs" / "home"
    with standing_server(directory / "home") as server:
        server.motet("deploy", "deployed.py", cwd=directory)
        calls = server.lines("caller.py", "spawn", str(until), cwd=directory)
        (lost,) = (blobs / calls[1]).iterdir()
        server.process.kill()
        server.process.communicate()
    lost.unlink()
    with standing_server(directory / "home") as server:
        until.touch()
        first, second, third = server.lines("caller.py", "get", *calls, cwd=directory)
        assert (first, third) == ("True", "True")
        assert f"the blob with the arguments of input 0 of {calls[1]} is gone" in second
        failed, said = server.lines("breaking.py", str(directory / "fixed"), cwd=directory)
        assert said == "400000 are too many"
        again = run_again(server, input_of(failed), 1)
        assert "400000 are too many" in again
        others = failed, next(word for word in again.split() if word.startswith("fc-"))
        assert all((blobs / each).exists() for each in others), "to be run again"
        server.motet("call", "delete", "--yes", calls[0], *others, cwd=directory)
        # Arguments go when their outcome has been kept, which is told first.
        wait_until(lambda: [path.parent.name for path in blobs.glob("*/*")] == [calls[2]])


@pytest.mark.nightly
@pytest.mark.parametrize("place", ["home", "bucket"])
def test_large_arguments_of_what_failed_are_run_again_by_the_next_server_until_the_call_is_deleted(
    directory: Path, place: str
) -> None:
    home, fixed = directory / "home", directory / "fixed"
    with contextlib.ExitStack() as stack:
        blobs: dict[str, str] = {}
        if place == "bucket":
            if reason := missing():
                pytest.skip(reason)
            objects = stack.enter_context(moto_server())
            objects.make_bucket("large")
            blobs = {"MOTET_BLOBS": objects.url("large")}
        with standing_server(home, env=blobs) as server:
            server.motet("deploy", "deployed.py", cwd=directory)
            call_id, _ = server.lines("breaking.py", str(fixed), cwd=directory)
        fixed.touch()
        with standing_server(home, env=blobs) as server:
            assert run_again(server, input_of(call_id), 0, **blobs) == "400000\n"
            assert run_again(server, input_of(call_id), 0, "--local", **blobs) == "400000\n"
            if blobs:
                assert "set MOTET_BLOBS to where it was" in run_again(server, input_of(call_id), 1)
            server.motet("call", "delete", "--yes", call_id, cwd=directory)
            assert "is known" in run_again(server, input_of(call_id), 1)


def input_of(call_id: str) -> str:
    return "in-" + call_id.removeprefix("fc-") + "-0"


def run_again(server: StandingServer, input_id: str, status: int, *options: str, **env: str) -> str:
    """What `motet call rerun` says, which ends so."""
    argv = [sys.executable, "-m", "motet", "call", "rerun", input_id, *options]
    env = {**server.client_env, "MOTET_SERVER": "", **env}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stdout + done.stderr
