"""A program that spawns calls and calls beside them, while a test does harm to the servers that it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE
from tests.e2e.test_postgres import read_until

APP = """
import time
import motet

app = motet.App("cut")


def note(number):
    with open(__PLACE__ + "/ran", "a") as file:
        file.write(f"{number}\\n")
    time.sleep(0.05)
    return 2 * number


@app.function(max_containers=2)
def work(number: int) -> int:
    return note(number)


@app.function(max_containers=2, delivery="at_most_once")
def once(number: int) -> int:
    return note(number)
"""
PROGRAM = Path(__file__).with_name("programs") / "spawns_on.py"


def app_file(place: Path) -> str:
    """The path of what is to be deployed. What it runs is noted in this directory."""
    path = place / "cut.py"
    path.write_text(APP.replace("__PLACE__", repr(str(place))))
    return str(path)


class SpawningProgram:
    """The process, from when a first call was answered. `function`: `work`, or `once`, which is delivered at most once."""

    def __init__(self, place: Path, function: str, env: dict[str, str], stack: ExitStack) -> None:
        self._place, self._function = place, function
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(place / "stop"), function],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(end, self._process)
        read_until(self._process, "begun")

    @property
    def ran(self) -> list[str]:
        """Inputs in the order in which they were begun."""
        path = self._place / "ran"
        return path.read_text().splitlines() if path.exists() else []

    def wait_ran(self, more: int) -> None:
        """So many more."""
        wanted = len(self.ran) + more
        wait_until(lambda: len(self.ran) >= wanted, f"{more} more inputs")

    def report(self) -> dict[str, Any]:
        """What the program says, which stops now. Whatever was accepted ended once, with its own result; what is delivered at
        most once was not begun twice."""
        (self._place / "stop").touch()
        out, err = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, err
        said: dict[str, Any] = json.loads(out)
        assert said["wrong"] == []
        assert said["calls"] == said["accepted"] > 0, said
        if self._function == "once":
            twice = [number for number, times in Counter(self.ran).items() if times > 1]
            assert twice == [], twice
        else:
            assert said["undecided"] == []
        return said


def end(process: subprocess.Popen[str]) -> None:
    """In order, if it has not ended."""
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=PATIENCE)
