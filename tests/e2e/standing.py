"""A `motet server` process, for tests that use one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

COMMAND = [sys.executable, "-m", "motet", "server"]
PATIENCE = 60.0


class StandingServer:
    """The process, from when it listens. What it said until then is in `said`."""

    def __init__(
        self, home: Path, *options: str, env: dict[str, str] | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        self.home = home
        self.env = {**os.environ, "MOTET_HOME": str(home), **(env or {})}
        self.env.pop("MOTET_SERVER", None)
        self.process = subprocess.Popen(
            [*command, *options], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said: list[str] = []
        while not self.said or "Ready" not in self.said[-1]:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server did not start: {self.process.communicate()[1]}")
            self.said.append(line)

    @property
    def client_env(self) -> dict[str, str]:
        """The environment of a program that uses it."""
        return {**os.environ, "MOTET_HOME": str(self.home), "MOTET_SERVER": "home"}

    def motet(self, *command: str, cwd: Path | None = None, status: int = 0, **env: str) -> str:
        """What a command says that ends so: on stdout if that is well, or else on stderr. No server is named to it."""
        done = subprocess.run(
            [sys.executable, "-m", "motet", *command],
            cwd=cwd,
            env={**self.client_env, "MOTET_SERVER": "", **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def lines(self, *command: str, cwd: Path, **env: str) -> list[str]:
        """What a Python program that uses it prints, which ends well."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=cwd,
            env={**self.client_env, **env},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal, and wait for its end: exit status, and what else it wrote to stdout and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@contextlib.contextmanager
def standing_server(home: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[StandingServer]:
    """A server under this home; at the end it ends in order, whatever else is wrong."""
    server = StandingServer(home, *options, env=env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            status, _, err = server.end()
            assert (status, err) == (0, "")
