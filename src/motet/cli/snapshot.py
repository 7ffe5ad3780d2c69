"""Copies of a program as it was when it was loaded: containers that start later run the same code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def take_snapshot(directory: Path, copy: Path) -> None:
    """Make `copy` look like `directory`: Python files are copied, all else is linked to."""
    copy.mkdir(parents=True)
    for entry in os.scandir(directory):
        path = Path(entry.path)
        if entry.name in _SKIPPED or entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False) and _has_code(path):
            take_snapshot(path, copy / entry.name)
        elif entry.is_file() and path.suffix == ".py":
            shutil.copy(path, copy / entry.name)
        else:
            (copy / entry.name).symlink_to(path)


def _has_code(directory: Path) -> bool:
    """Whether it is a part of the program: a package, or a directory of modules, not an environment or data."""
    if (directory / "pyvenv.cfg").exists():
        return False
    try:
        return any(entry.name.endswith(".py") for entry in os.scandir(directory))
    except OSError:
        return False
