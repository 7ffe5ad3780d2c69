"""Which commit a program's directory is at, for the history of what was deployed."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

_PATIENCE = 2.0


class CommitQuestion:
    """Asks git while other things happen, until the block ends."""

    def __init__(self, directory: Path) -> None:
        self._processes = [
            _started(directory, "rev-parse", "--short=12", "HEAD"),
            _started(directory, "status", "--porcelain", "--untracked-files=no"),
        ]

    def __enter__(self) -> CommitQuestion:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process is not None and process.stdout is not None and not process.stdout.closed:
                process.kill()
                process.communicate()

    def answer(self) -> str:
        """The commit, with a star if files have been changed since; empty where there is none, or git takes too long."""
        answers = [_answer(process) for process in self._processes]
        commit, changes = answers
        if not commit or changes is None:
            return ""
        return f"{commit}*" if changes else commit


def _started(directory: Path, *question: str) -> subprocess.Popen[str] | None:
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            ["git", "-C", str(directory), "--no-optional-locks", *question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    return None


def _answer(process: subprocess.Popen[str] | None) -> str | None:
    if process is None:
        return None
    try:
        told, _ = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return told.strip() if process.returncode == 0 else None
