"""Shared state of a server that stays: what was answered for is there after a kill, and nothing half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.standing import PATIENCE, StandingServer

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "shared_state.py"

WRITER = """
import os, sys, motet
from motet.errors import ConnectionError, ServiceError
d = motet.Dict.from_name("ledger", create_if_missing=True)
index, unsure, more = 0, [], 20
while index < more:
    pair = {f"{sys.argv[1]}-{index}-a": index, f"{sys.argv[1]}-{index}-b": index}
    try:
        d.update(pair)
    except (ConnectionError, ServiceError):
        unsure.append(index)
        more = index + 20
    index += 1
    if index == 20:
        print("twenty", flush=True)
    if not unsure and not os.path.exists(sys.argv[2]):
        more = index + 20
print(index, *unsure, flush=True)
"""

READER = """
import motet
d = motet.Dict.from_name("ledger")
found = dict(d.items())
print(len(found), d.len())
for key in sorted(found):
    print(key)
"""


def test_what_writers_had_an_answer_for_is_there_after_a_kill_and_nothing_half(tmp_path: Path) -> None:
    server = StandingServer(tmp_path / "home")
    stop = tmp_path / "stop"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), str(stop)],
            env=server.client_env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(1)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "twenty\n"
    server.process.kill()
    server.process.communicate()
    server = StandingServer(tmp_path / "home")
    stop.touch()
    said = [[int(word) for word in writer.communicate(timeout=PATIENCE)[0].split()] for writer in writers]
    try:
        counted, *keys = server.lines("-c", READER, cwd=tmp_path)
        assert counted == f"{len(keys)} {len(keys)}"
        for number, (count, *unsure) in enumerate(said):
            assert count >= 20
            assert len(unsure) <= 1
            for index in set(range(count)) - set(unsure):
                assert {f"{number}-{index}-a", f"{number}-{index}-b"} <= set(keys)
        assert {key[:-1] + "b" for key in keys if key.endswith("a")} == {key for key in keys if key.endswith("b")}
        assert server.motet("dict", "get", "ledger", "0-0-a") == "0\n"
        assert json.loads(server.motet("dict", "list", "--json"))[0]["entries"] == len(keys)
        assert "0-0-c" in server.motet("dict", "get", "ledger", "0-0-c", status=1)
    finally:
        server.end()
    # A program without a server has the same ones.
    program = (
        "import motet; app = motet.App('a')\nwith app.run(): print(motet.Dict.from_name('ledger')['0-0-a'], "
        "motet.Dict.objects.list())"
    )
    env = {**os.environ, "MOTET_HOME": str(tmp_path / "home"), "MOTET_SERVER": ""}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "0 [Dict('di-name-ledger')]\n", done.stderr


def test_what_many_writers_saw_while_the_server_was_killed_may_have_happened() -> None:
    command = [sys.executable, BENCHMARK, "--writers", "10", "--operations", "1500", "--kills", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["operations"], told["kills"], told["impossible"]) == (1500, 1, [])
