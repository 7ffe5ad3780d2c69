"""Waiting with a deadline, and a look at the machine: what a test started must be gone when its app has stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import motet
from motet.records.logs import LogLine
from motet.records.queries import LogQuery
from motet.runtime.lifecycle.spares import SPARE_NAME
from motet.server.wiring import open_archive
from tests.e2e.standing import standing_server

if TYPE_CHECKING:
    from tests.e2e.restarted import Restarted

MARK = f"MOTET_E2E_RUN={uuid.uuid4().hex}"


@pytest.fixture(scope="session", autouse=True)
def mark_processes() -> None:
    """Everything started from here carries a mark in its environment, which it keeps whoever its parent becomes."""
    name, _, value = MARK.partition("=")
    os.environ[name] = value


@pytest.fixture(scope="module", params=["embedded", "server"])
def either(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests run twice: on a server inside their program, and on one that stays."""
    if request.param == "embedded":
        yield
        return
    home = Path(os.environ["MOTET_HOME"])
    with standing_server(home, env={"MOTET_CONTAINER_ENV": MARK.partition("=")[0]}) as server:
        os.environ["MOTET_SERVER"] = "home"
        _standing.add(server.process.pid)
        try:
            yield
        finally:
            _standing.clear()
            del os.environ["MOTET_SERVER"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Restarted]:
    """A home whose server is killed and started again under one program."""
    from tests.e2e.restarted import Restarted  # late: it waits by what is here

    restarted = Restarted(tmp_path)
    try:
        yield restarted
    finally:
        restarted.close()


_standing: set[int] = set()
"""Servers that outlive the apps of tests, and so do their agents and templates."""


def marked_processes() -> list[int]:
    """Processes, other than this one and zombies, that this test run started."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _is_marked(entry)]


def _is_marked(entry: Path) -> bool:
    try:
        if MARK.encode() not in (entry / "environ").read_bytes():
            return False
        if (entry / "comm").read_text().rstrip("\n") == SPARE_NAME:  # it belongs to its template
            entry = entry.with_name(str(_parent(entry)))
        parent = _parent(entry)
        # A template is the child of the server's agent.
        return not _standing & {int(entry.name), parent, _parent(entry.with_name(str(parent)))}
    except OSError:
        return False


def _parent(entry: Path) -> int:
    return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])


def assert_nothing_left() -> None:
    """No template, container or anything they started is alive."""
    left = {pid: _command(pid) for pid in marked_processes()}
    assert not left, f"still running: {left}"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "(it has just ended)"


def wait_until(condition: Callable[[], Any], what: str = "the condition", timeout: float = 60.0) -> Any:
    """The first true value of `condition`, asked every 5 ms; fails after `timeout` seconds, naming `what`."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout} s"
        time.sleep(0.005)
    return value


async def wait_until_async(condition: Callable[[], Any]) -> None:
    """Let other tasks run until `condition` holds: it is about other processes, so there is no event to wait for."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def container_states(app: motet.App) -> list[str]:
    """The states of a running app's containers."""
    assert app.running is not None
    return [container.state for function in app.running.view().functions for container in function.containers]


def logged(app_id: str | None, **query: Any) -> list[LogLine]:
    """The lines that the containers of an app have written, once it has stopped."""
    with contextlib.closing(open_archive(Path(os.environ["MOTET_HOME"]))) as archive:
        return archive.logs(LogQuery(app=app_id, **query))


class Gate:
    """Inputs that hold at a gate (`programs.gates`), seen from the test."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory)
        self._directory = directory

    @property
    def held(self) -> list[str]:
        """The names of inputs that have come to the gate, in order of arrival."""
        files = [it for it in self._directory.iterdir() if it.name.startswith("at-")]
        return [it.name.removeprefix("at-") for it in sorted(files, key=lambda it: it.stat().st_mtime_ns)]

    @property
    def left(self) -> list[str]:
        """The names of inputs that have left it, in whatever way."""
        return [it.name.removeprefix("left-") for it in self._directory.iterdir() if it.name.startswith("left-")]

    def wait_held(self, count: int) -> None:
        """Return when `count` inputs are at the gate."""
        wait_until(lambda: len(self.held) >= count, f"{count} inputs at the gate (there are {len(self.held)})")

    def open(self) -> None:
        """Let all through."""
        (self._directory / "open").touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    directory = tmp_path / "gate"
    directory.mkdir()
    return Gate(directory)
