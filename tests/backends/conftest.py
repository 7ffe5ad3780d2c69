"""The process backend on stage, and a way to see that processes are gone."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from motet.backends.base import Backend, Launch
from motet.backends.process import ProcessBackend
from tests.contracts.backend_contract import Act, Session

ROOT = Path(__file__).parents[2]
ENTRY = "tests.backends.entries:play"


def template_env() -> dict[str, str]:
    """The environment of a template that finds the tests' entries."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}


def wait_gone(pids: Iterable[int], timeout: float = 30.0) -> None:
    """Return when these processes have ended; fail, naming those that have not, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    alive = [pid for pid in pids if not _ended_before(pid, deadline)]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert not alive, f"these processes outlived their container: {alive}"


def _ended_before(pid: int, deadline: float) -> bool:
    """Waits on the process itself: its descriptor is readable once it has ended, reaped or not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        return bool(readable)
    finally:
        os.close(descriptor)


class ProcessStage:
    """A process backend whose containers run `tests.backends.entries`."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.process_backend = ProcessBackend(env=template_env(), scratch=scratch, entry=ENTRY)
        self.backend: Backend = self.process_backend

    @property
    def template(self) -> int:
        [pid] = self.process_backend.templates
        return pid

    def entry(self, container_id: str, name: str, *arguments: Any, **env: str) -> Launch:
        """A launch that runs an entry of that name."""
        env = {"ACT": json.dumps([name, *arguments]), "PATH": os.environ["PATH"], **env}
        return Launch(container_id=container_id, address="unix:/nowhere", token="t", env=env)

    def launch(self, container_id: str, act: Act) -> Launch:
        return self.entry(container_id, "act", act.writes, act.code)

    def started(self, launch: Launch) -> None:
        """Real containers act by themselves."""

    def freeze(self, container_id: str) -> None:
        os.kill(self.pid(container_id), signal.SIGSTOP)

    def thaw(self, container_id: str) -> None:
        os.kill(self.pid(container_id), signal.SIGCONT)

    def pid(self, container_id: str) -> int:
        """Of a container that has written something."""
        pid = self.process_backend._containers[container_id].pid
        assert pid is not None
        return pid

    def break_starts(self) -> None:
        for directory in self.scratch.iterdir():
            shutil.rmtree(directory)

    def lose(self) -> None:
        os.kill(self.template, signal.SIGKILL)


async def family_of(session: Session, container_id: str) -> list[int]:
    """The pids that the entries `spawn` and `leave_behind` tell: container, subprocess, daemon."""
    await session.reports.wait_output(container_id, "\n")
    pids: list[int] = json.loads(session.reports.text(container_id))
    return pids


@pytest.fixture
def stage(tmp_path: Path) -> ProcessStage:
    return ProcessStage(tmp_path)


@pytest.fixture(autouse=True)
def no_child_left() -> Iterable[None]:
    """Every template was waited for: this process has no children after a test."""
    yield
    with contextlib.suppress(ChildProcessError):
        pid, _ = os.waitpid(-1, os.WNOHANG)
        pytest.fail(f"a child of the test run is left: {pid or 'running'}")
