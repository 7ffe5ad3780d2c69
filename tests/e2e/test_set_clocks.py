"""A server whose wall clock is set back and forward while it runs and between two runs: schedules, ids, results. At night."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import StandingServer

pytestmark = pytest.mark.nightly

HOUR = 3600
DAY = 24 * HOUR

CLOCK = """
import os, time

_time = time.time

def set_time():
    with open(os.environ["SET_CLOCK"]) as file:
        return _time() + float(file.read())

if "SET_CLOCK" in os.environ:
    time.time = set_time
"""
"""As `sitecustomize`: the wall clock of the server's processes is ahead by as many seconds as a file says."""

PROGRAM = """
import os
import motet

app = motet.App("clocked")

@app.function(schedule=motet.Period(seconds=1), env={"RAN": os.environ.get("RAN", "")})
def tick():
    with open(os.environ["RAN"], "a") as file:
        file.write(motet.current_function_call_id() + "\\n")

@app.function()
def double(number): return 2 * number
"""

CALLER = """
import sys
import motet

call = motet.Function.from_name("clocked", "double").spawn(3)
print(call.object_id)
for call_id in (*sys.argv[1:], call.object_id):
    assert motet.FunctionCall.from_id(call_id).get(timeout=60) == 6
"""


def test_nothing_runs_twice_or_is_gone_when_the_clock_is_set(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    (tmp_path / "deployed.py").write_text(PROGRAM)
    (tmp_path / "caller.py").write_text(CALLER)
    clock = tmp_path / "clock"

    def set_to(seconds: int) -> None:
        whole = tmp_path / "clock.new"
        whole.write_text(str(seconds))
        whole.rename(clock)

    ticks = tmp_path / "ticks"
    ticks.touch()
    ticks.chmod(0o666)
    tmp_path.chmod(0o755)
    env = {"PYTHONPATH": str(tmp_path), "SET_CLOCK": str(clock), "MOTET_APP_USERS": "off"}
    calls: list[str] = []
    for first, *others in ([0, -3 * HOUR, 3 * HOUR, 10 * DAY], [3 * HOUR, 0]):
        set_to(first)
        server = StandingServer(tmp_path / "home", env=env)
        with contextlib.ExitStack() as stack:
            stack.callback(server.process.kill)
            if not calls:
                server.motet("deploy", "deployed.py", cwd=tmp_path, RAN=str(ticks))
            for seconds in (first, *others):
                set_to(seconds)
                calls += server.lines("caller.py", *calls, cwd=tmp_path)
                if seconds > 0 or len(calls) == 1:  # what is set back waits until the clock is where it was
                    more = len(ticks.read_text().split()) + 2
                    wait_until(lambda: len(ticks.read_text().split()) >= more, f"runs at {seconds}")  # noqa: B023
            status, _, said = server.end()
            assert status == 0
            assert ("by a clock that was ahead: it goes on from now" in said) is (first > 0)
    ran = ticks.read_text().split()
    assert len(set(ran)) == len(ran), "each moment has one call, which runs once"
    assert len(set(calls)) == len(calls) == 6
