"""Spawned calls of a server that stays: what was acknowledged ends once, whatever is killed, and its result is there later."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.standing import StandingServer

PROGRAM = """
import os, sys, time
import motet

app = motet.App("durable")

@app.function(max_containers=4)
@motet.concurrent(max_inputs=4)
def work(marks: str, name: str, until: str) -> str:
    with open(marks, "a") as file:
        file.write(f"{name}\\n")
    while not os.path.exists(until):
        time.sleep(0.02)
    return f"result of {name}"

@app.cls()
class Scaled:
    factor: int = motet.parameter()

    @motet.method()
    def times(self, value: int) -> int:
        return self.factor * value
"""

CALLER = """
import sys
import motet

what, *arguments = sys.argv[1:]
if what == "spawn":
    work = motet.Function.from_name("durable", "work")
    for name in arguments[2:]:
        print(work.spawn(arguments[0], name, arguments[1]).object_id, flush=True)
elif what == "once":
    work = motet.Function.from_name("durable", "work")
    print(work.with_key(arguments[0]).spawn(*arguments[1:]).object_id)
elif what == "scaled":
    print(motet.Cls.from_name("durable", "Scaled")(factor=int(arguments[0])).times.spawn(3).object_id)
else:
    for call_id in arguments:
        print(motet.FunctionCall.from_id(call_id).get(timeout=60))
"""

DETACHED = """
import sys
import motet
from deployed import app, work

with app.run(detach=True):
    print(work.spawn(*sys.argv[1:]).object_id)
"""


class Place:
    """A home with a server, a program that is deployed there, and scripts that call it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.home = directory, directory / "home"
        self.marks, self.until = str(directory / "marks"), str(directory / "until")
        (directory / "deployed.py").write_text(PROGRAM)
        (directory / "caller.py").write_text(CALLER)
        (directory / "detached.py").write_text(DETACHED)
        self.server = StandingServer(self.home)

    def deploy(self) -> None:
        self.server.motet("deploy", "deployed.py", cwd=self.directory)

    def run(self, *command: str, **env: str) -> list[str]:
        """The lines that a script prints."""
        return self.server.lines(*command, cwd=self.directory, **env)

    def spawn(self, *names: str) -> list[str]:
        return self.run("caller.py", "spawn", self.marks, self.until, *names)

    def results(self, *call_ids: str) -> list[str]:
        return self.run("caller.py", "get", *call_ids)

    def begun(self) -> list[str]:
        path = Path(self.marks)
        return path.read_text().splitlines() if path.exists() else []

    def kill(self, *, agent: bool = False) -> None:
        """The server, or it and its host agent with all containers; a new server takes its place."""
        agents = self.agents() if agent else []
        assert len(agents) == agent
        for pid in [self.server.process.pid, *agents]:
            os.kill(pid, signal.SIGKILL)
        self.server.process.communicate()
        self.server = StandingServer(self.home)

    def agents(self) -> list[int]:
        """The host agent, which writes to a log under this home."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # it has just ended, or is another user's
                is_agent = entry.name.isdecimal() and b"motet.agent.agent" in (entry / "cmdline").read_bytes()
                if is_agent and any(str(self.home) in os.readlink(each) for each in (entry / "fd").iterdir()):
                    found.append(int(entry.name))
        return found

    def go_on(self) -> None:
        Path(self.until).touch()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    if place.server.process.poll() is None:
        status, _, _ = place.server.end()
        assert status == 0


def test_spawned_calls_outlive_a_kill_of_the_server_and_run_once(place: Place) -> None:
    place.deploy()
    names = [f"n{number}" for number in range(20)]
    calls = place.spawn(*names)
    wait_until(lambda: len(place.begun()) >= 16)
    place.kill()
    place.go_on()
    assert place.results(*calls) == [f"result of {name}" for name in names]
    assert Counter(place.begun()) == Counter(names), "what ran was joined, and what waited ran for the first time"


def test_a_stop_in_order_leaves_them_to_the_next_server(place: Place) -> None:
    place.deploy()
    (call,) = place.spawn("one")
    wait_until(lambda: place.begun() == ["one"])
    assert place.server.end()[0] == 0
    place.go_on()
    place.server = StandingServer(place.home)
    assert place.results(call) == ["result of one"]


def test_results_are_there_after_a_kill_and_after_the_app_has_stopped(place: Place) -> None:
    place.deploy()
    place.go_on()
    calls = place.spawn("one", "two")
    assert place.results(*calls) == ["result of one", "result of two"]
    once = place.run("caller.py", "once", "order-17", place.marks, "three", place.until)
    place.kill()
    assert place.run("caller.py", "once", "order-17", place.marks, "three", place.until) == once
    place.server.motet("app", "stop", "durable", "--yes")
    assert place.results(*calls) == ["result of one", "result of two"]


def test_calls_of_classes_with_parameters_go_on(place: Place) -> None:
    place.deploy()
    place.go_on()
    (call,) = place.run("caller.py", "scaled", "14")
    place.kill()
    assert place.results(call) == ["42"]


def test_a_detached_app_is_there_again_with_its_calls(place: Place) -> None:
    (call,) = place.run("detached.py", place.marks, "one", place.until)
    wait_until(lambda: place.begun() == ["one"])
    place.kill(agent=True)
    assert "detached" in place.server.motet("app", "list")
    place.go_on()
    assert place.results(call) == ["result of one"]
