"""Large arguments and results of spawned calls: files of the home, which outlive a server that is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
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


BROKEN = """
import os
import motet

app = motet.App("broken")

@app.function()
def sized(data: bytes, fixed: str) -> int:
    if not os.path.exists(fixed):
        raise ValueError(f"{len(data)} are too many")
    return len(data)
"""

BREAKING = """
import sys
import motet

call = motet.Function.from_name("broken", "sized").spawn(bytes(400_000), sys.argv[1])
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
        server.motet("call", "delete", "--yes", calls[0], cwd=directory)
        # Arguments go when their outcome has been kept, which is told first.
        wait_until(lambda: [path.parent.name for path in blobs.glob("*/*")] == [calls[2]])


@pytest.fixture(params=["home", pytest.param("bucket", marks=pytest.mark.nightly)])
def blobs(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Where a server keeps large arguments, as its environment has it."""
    if request.param == "home":
        yield {}
        return
    if reason := missing():
        pytest.skip(reason)
    with moto_server() as objects:
        objects.make_bucket("large")
        yield {"MOTET_BLOBS": objects.url("large")}


def test_large_arguments_of_what_failed_are_run_again_by_this_server_and_the_next_until_the_call_is_deleted(
    tmp_path: Path, blobs: dict[str, str]
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "caller.py").write_text(BREAKING)
    home, fixed = tmp_path / "home", tmp_path / "fixed"
    with standing_server(home, env=blobs) as server:
        server.motet("deploy", "broken.py", cwd=tmp_path)
        call_id, said = server.lines("caller.py", str(fixed), cwd=tmp_path)
        assert said == "400000 are too many"
        input_id = "in-" + call_id.removeprefix("fc-") + "-0"
        assert "400000 are too many" in run_again(server, input_id, 1)
    fixed.touch()
    with standing_server(home, env=blobs) as server:
        assert run_again(server, input_id, 0, **blobs) == "400000\n"
        assert run_again(server, input_id, 0, "--local", **blobs) == "400000\n"
        server.motet("call", "delete", "--yes", call_id, cwd=tmp_path)
        assert "is known" in run_again(server, input_id, 1)
        if not blobs:  # that of the call which failed again is there
            assert [path.name for path in (home / "server" / "blobs" / "home").iterdir()] != [call_id]


def run_again(server: StandingServer, input_id: str, status: int, *options: str, **env: str) -> str:
    """What `motet call rerun` says, which ends so."""
    argv = [sys.executable, "-m", "motet", "call", "rerun", input_id, *options]
    env = {**server.client_env, "MOTET_SERVER": "", **env}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stdout + done.stderr
