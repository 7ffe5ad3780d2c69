"""Which commit a program's directory is at, for the history of what was deployed."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

_PATIENCE = 2.0
_COMMIT = "# branch.oid "
_SHORT = 12


class CommitQuestion:
    """Asks git while other things happen, until the block ends."""

    def __init__(self, directory: Path) -> None:
        self._process = _started(directory, "status", "--porcelain=v2", "--branch", "--untracked-files=no")

    def __enter__(self) -> CommitQuestion:
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.stdout is not None and not process.stdout.closed:
            process.kill()
            process.communicate()

    def answer(self) -> str:
        """The commit, with a star if files have been changed since; empty where there is none, or git takes too long."""
        lines = (_answer(self._process) or "").splitlines()
        commit = next((line.removeprefix(_COMMIT) for line in lines if line.startswith(_COMMIT)), "")
        if not commit.isalnum():  # "(initial)": there is none yet
            return ""
        is_changed = any(not line.startswith("#") for line in lines)
        return f"{commit[:_SHORT]}{'*' if is_changed else ''}"


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
