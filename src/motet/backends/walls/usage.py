"""How much a container takes: memory of its processes, and room on the disk."""

from __future__ import annotations

import os
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


def disk_of(directory: Path) -> int:
    """Bytes that files below a directory take; without following links, and without what cannot be read."""
    total, waiting = 0, [os.fspath(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                    except OSError:
                        continue  # it has just gone
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total
