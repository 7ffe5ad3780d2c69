"""How much is kept under a home, of what, and how much room its disk has left."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from motet.store.base import HomeUsage

RECORDS, OTHER = "records", "other"


def home_usage(home: Path) -> HomeUsage:
    """Bytes on disk of each part: records of runs, what the server that stays has (bundles, deployments ...), and the
    rest. What several names lead to counts once. What goes meanwhile is left out. Waits for the disk."""
    seen: set[tuple[int, int]] = set()
    parts = {RECORDS: _size(home / "servers", seen)}
    other = 0
    for entry in _entries(home):
        if entry.name == "servers":
            continue
        if entry.name != "server" or not entry.is_dir(follow_symlinks=False):
            other += _size_of(entry, seen)
            continue
        for part in _entries(entry.path):
            if part.is_dir(follow_symlinks=False):
                parts[part.name] = _size(part.path, seen)
            elif (database := part.name.partition(".db")[0]) != part.name:  # it has files beside it
                parts[database] = parts.get(database, 0) + _size_of(part, seen)
            else:
                other += _size_of(part, seen)
    parts[OTHER] = other
    try:
        free = shutil.disk_usage(home).free
    except OSError:  # it has not been made yet
        free = 0
    return HomeUsage(parts, free)


def _size(directory: Path | str, seen: set[tuple[int, int]]) -> int:
    return sum(_size_of(entry, seen) for entry in _entries(directory))


def _size_of(entry: os.DirEntry[str], seen: set[tuple[int, int]]) -> int:
    try:
        if entry.is_dir(follow_symlinks=False):
            return _size(entry.path, seen)
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    if status.st_nlink > 1:
        file = status.st_dev, status.st_ino
        if file in seen:
            return 0
        seen.add(file)
    return status.st_blocks * 512


def _entries(directory: Path | str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(directory) as found:
        return list(found)
    return []
