"""A server that is killed and started again under one program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import wait_until
from tests.e2e.standing import PATIENCE, StandingServer

PROGRAM = Path(__file__).parent / "programs" / "survivors.py"


class Restarted:
    """A home whose server is killed and started again, and one program that uses it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.marks, self.until = home / "marks", home / "until"
        self.server = StandingServer(home)
        self.program: subprocess.Popen[str] | None = None

    def begin(self, entrypoint: str, *options: str, **env: str) -> None:
        argv = [
            "run",
            "-q",
            f"{PROGRAM}::{entrypoint}",
            "--marks",
            str(self.marks),
            "--until",
            str(self.until),
            *options,
        ]
        self.program = subprocess.Popen(
            [sys.executable, "-m", "motet", *argv],
            env={**self.server.client_env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def marked(self) -> list[str]:
        return self.marks.read_text().splitlines() if self.marks.exists() else []

    def wait_begun(self, count: int) -> None:
        wait_until(lambda: sum(line.startswith("begin") for line in self.marked()) >= count)

    def kill(self) -> None:
        self.server.process.kill()
        self.server.process.communicate()

    def start(self, *options: str) -> None:
        self.server = StandingServer(self.home, *options)

    def restart(self) -> None:
        self.kill()
        self.start()

    def result(self) -> str:
        """What the program says, once it has ended."""
        assert self.program is not None
        out, err = self.program.communicate(timeout=PATIENCE)
        assert self.program.returncode == 0, err
        return out

    def close(self) -> None:
        if self.program is not None and self.program.poll() is None:
            self.program.kill()
            self.program.communicate()
        if self.server.process.poll() is None:
            self.server.end()
