"""Large arguments and results of spawned calls: files of the home, which outlive a server that is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import standing_server

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
        wait_until(lambda: [path.name for path in blobs.iterdir()] == [calls[2]])
        wait_until(lambda: len(list((blobs / calls[2]).iterdir())) == 1)
