"""Servers in processes of their own, none of which outlives the benchmark, whatever it starts itself."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from served.ready import READY

SERVED = Path(__file__).resolve().parent / "served"
PATIENCE = 20.0
"""Seconds that a server has to end by itself, once it is told to."""
_PR_SET_CHILD_SUBREAPER = 36


def own_all_descendants() -> None:
    """Make what servers leave behind this process's children, and a request to terminate an ordinary exit."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def missing(python: Path | str, module: str) -> bool:
    """Whether this interpreter cannot import the module."""
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([str(python), "-c", look], stdin=subprocess.DEVNULL, check=False).returncode != 0


@dataclass
class Server:
    """`with Server([python, program, ...]) as server:` is a program that serves from then on, until the block is left.

    `told` is what it said when it was ready: `url`, `versions` and more. Raises `RuntimeError` if it ends before.
    """

    command: list[str]
    told: dict[str, Any] = field(default_factory=dict)
    started_at: float = 0.0

    def __enter__(self) -> Server:
        self._errors = tempfile.TemporaryFile()
        self.started_at = time.perf_counter()
        self._process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        try:
            self.told = self._said("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    @property
    def url(self) -> str:
        return str(self.told["url"])

    def _said(self, what: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # others in the process may print too
            if line.startswith(READY.encode()):
                said: dict[str, Any] = json.loads(line[len(READY) :])
                return said
        self._errors.seek(0)
        last = self._errors.read()[-2000:].decode(errors="replace")
        raise RuntimeError(f"{' '.join(self.command)} ended before it was {what}:\n{last}")

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # the request to end
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        kill_descendants()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def kill_descendants() -> None:
    """End what is left of this process's children, and theirs, and reap those that were left to it."""
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended meanwhile
        return []
    return [found for child in children for found in (child, *descendants(child))]


def program(python: Path | str, name: str, *arguments: object) -> Server:
    """A program of the folder `served`."""
    return Server([str(python), str(SERVED / f"{name}.py"), *map(str, arguments)])
