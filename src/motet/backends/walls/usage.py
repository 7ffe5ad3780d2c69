"""How much a container takes: memory of its processes, and room on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def memory_of(pid: int) -> int:
    """Bytes that a process and its descendants have, each with its share of what several have (PSS). 0 once they are gone."""
    total, waiting = 0, [pid]
    while waiting:
        process = waiting.pop()
        total += _memory(process)
        waiting += _children(process)
    return total


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    except OSError:
        pass  # it has just ended
    return found


def disk_of(directory: Path, pid: int | None = None) -> int:
    """Bytes that files below a directory take, each once, and those that a process and its descendants have open of files that
    were deleted there: without following links, and without what cannot be read."""
    total, waiting = 0, [os.fspath(directory)]
    linked: set[int] = set()
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue  # it has just gone
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif found.st_nlink > 1:
                        if found.st_ino in linked:
                            continue
                        linked.add(found.st_ino)
                    total += found.st_blocks * 512
        except OSError:
            continue
    return total if pid is None else total + _deleted(directory, pid)


def _deleted(directory: Path, pid: int) -> int:
    try:
        device = directory.stat().st_dev
    except OSError:
        return 0
    sizes: dict[int, int] = {}
    processes = [pid]
    for process in processes:
        processes += _children(process)
        for descriptor in _descriptors(process):
            try:
                found = os.stat(f"/proc/{process}/fd/{descriptor}")
            except OSError:
                continue
            if found.st_nlink == 0 and found.st_dev == device and stat.S_ISREG(found.st_mode):
                sizes[found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


def _descriptors(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return []
