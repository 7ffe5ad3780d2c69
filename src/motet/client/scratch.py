"""Directories for what a process needs while it runs: gone with it, or with the next one that starts.

Its process holds a lock on it; the system takes that back when the process ends, however it does. Whoever can take the lock
knows that nobody needs the directory any more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Self

_PREFIX = "motet-"
_LOCK = ".motet-scratch"
"""A name that nobody else has for a file: directories are deleted by it."""
_LOOK_AGAIN = 0.02


class Scratch:
    """A directory in the system's temporary one, readable by its user alone. Raises `OSError` if it cannot be made."""

    def __init__(self, purpose: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-"))
        # Locked before it has its name, so that nobody who sweeps takes it first.
        unnamed = self.path / f"{_LOCK}.new"
        self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _take(self._lock)
        unnamed.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Delete it with all that is in it. Idempotent."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def sweep() -> list[Path]:
    """Delete the directories of this user's processes that were killed; which those were. Several may do so concurrently."""
    try:
        with os.scandir(tempfile.gettempdir()) as entries:
            found = [Path(entry.path) for entry in entries if entry.name.startswith(_PREFIX)]
    except OSError:
        return []
    return [directory for directory in found if _is_ours(directory) and remove_if_left(directory)]


def remove_if_left(directory: Path, patience: float = 0.0) -> bool:
    """Delete a directory whose process has ended, or does within so many seconds; whether it was deleted."""
    deadline = time.monotonic() + patience
    while not _is_left(directory):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_AGAIN)  # waiting for a lock has no deadline
    shutil.rmtree(directory, ignore_errors=True)
    return True


def _take(lock: int) -> None:
    """Raises `OSError` if another process has it."""
    import fcntl  # late: Windows, where no server runs, has none

    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_ours(path: Path) -> bool:
    with contextlib.suppress(OSError):
        status = path.lstat()
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return False


def _is_left(directory: Path) -> bool:
    """Whether its process has ended. One without a lock is just being made, or is no scratch."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        _take(lock)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)
