"""The connection between a program and a server elsewhere breaks while both live: calls and streams go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.breakable import Breakable
from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, standing_server

PROGRAM = Path(__file__).parent / "programs" / "survivors.py"


class Elsewhere:
    """A server, the way to it, and the token for it."""

    def __init__(self, way: Breakable, token: str, home: Path) -> None:
        self.way = way
        self._token = token
        self._home = home

    def begin(self, directory: Path, entrypoint: str, *options: str) -> subprocess.Popen[str]:
        """A program that uses the server over the way."""
        marks, until = ["--marks", str(directory / "marks")], ["--until", str(directory / "until")]
        return subprocess.Popen(
            [sys.executable, "-m", "motet", "run", "-q", f"{PROGRAM}::{entrypoint}", *marks, *until, *options],
            env={
                **os.environ,
                "MOTET_HOME": str(self._home),
                "MOTET_SERVER": f"tcp:127.0.0.1:{self.way.port}",
                "MOTET_TOKEN": self._token,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def break_it(self) -> None:
        """Cut the connection, and wait until the program is there again."""
        before = self.way.connections
        self.way.cut()
        wait_until(lambda: self.way.connections > before)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    directory = tmp_path_factory.mktemp("elsewhere")
    with standing_server(directory / "server", "--port", "0") as server:
        found = re.search(r"tcp:127\.0\.0\.1:(\d+).*this once: (\S+)", "".join(server.said), re.DOTALL)
        assert found is not None, server.said
        way = Breakable(int(found[1]))
        try:
            yield Elsewhere(way, found[2], directory / "program")
        finally:
            way.close()


def marked(directory: Path) -> list[str]:
    marks = directory / "marks"
    return marks.read_text().splitlines() if marks.exists() else []


def result(program: subprocess.Popen[str]) -> str:
    out, err = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, err
    return out


def test_of_50_calls_each_runs_once_and_ends_once_however_often_it_breaks(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """20 run and 30 wait."""
    program = elsewhere.begin(tmp_path, "many", "--count", "50")
    wait_until(lambda: len(marked(tmp_path)) >= 20)
    elsewhere.break_it()
    elsewhere.break_it()
    (tmp_path / "until").touch()
    wait_until(lambda: len(marked(tmp_path)) > 45)
    elsewhere.way.cut()  # while outcomes are under way, if they are not there already
    assert result(program) == f"{sorted(f'result of {n}' for n in range(50))}\n"
    assert set(Counter(marked(tmp_path)).values()) == {1}
    assert len(marked(tmp_path)) == 100


def test_a_stream_goes_on(elsewhere: Elsewhere, tmp_path: Path) -> None:
    program = elsewhere.begin(tmp_path, "stream")
    wait_until(lambda: "got 1" in marked(tmp_path))
    elsewhere.break_it()
    (tmp_path / "until").touch()
    assert result(program) == ""
    said = Counter(marked(tmp_path))
    assert [said[each] for each in ("begin items", "got 1", "got 2")] == [1, 1, 1]
