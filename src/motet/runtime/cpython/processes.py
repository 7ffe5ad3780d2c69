"""Starting processes, and the frames in which that happens."""

from __future__ import annotations

import _posixsubprocess
import dis
import os
import subprocess
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Literal

_FORK_EXEC_STREAMS = {9: 1, 11: 2}
"""The places of the descriptors for the child's stdout and stderr among the arguments of `fork_exec`; -1: as they are here."""
_LOOPS = (
    os.path.join("asyncio", "events.py"),
    os.path.join("asyncio", "base_events.py"),
    os.path.join("concurrent", "futures", "thread.py"),
    os.path.join("anyio", "_backends", "_asyncio.py"),
)
_POOLS = (os.path.join("concurrent", "futures", "process.py"), os.path.join("multiprocessing", "pool.py"))
_MULTIPROCESSING = os.path.join("multiprocessing", "popen_fork.py")

ForkExec = Callable[..., int]


def wrap_fork_exec(wrap: Callable[[ForkExec], ForkExec], *, of_multiprocessing: bool) -> None:
    """Replace what starts a program for `subprocess`, and for `multiprocessing`, which has its own name for it."""
    if (fork_exec := getattr(subprocess, "_fork_exec", None)) is not None:
        subprocess._fork_exec = wrap(fork_exec)  # type: ignore[attr-defined]
    if of_multiprocessing:
        _posixsubprocess.fork_exec = wrap(_posixsubprocess.fork_exec)


def redirected(arguments: Sequence[Any], targets: dict[int, int]) -> tuple[Any, ...]:
    """Arguments for `fork_exec` with which the child has `targets` in place of the descriptors that are 1 and 2 here."""
    changed = list(arguments)
    for place, inherited in _FORK_EXEC_STREAMS.items():
        descriptor = inherited if changed[place] == -1 else changed[place]
        changed[place] = targets.get(descriptor, changed[place])
    return tuple(changed)


def runs_one_after_the_other(file: str) -> bool:
    """Whether code of this file runs one piece of user code after the other: loops, and threads that wait for more."""
    return file.endswith(_LOOPS)


def is_worker_fork(file: str) -> bool:
    """Whether code of this file forks workers of a pool of processes."""
    return file.endswith(_POOLS)


def is_multiprocessing_fork(file: str) -> bool:
    """Whether code of this file forks a process that ends by itself, and never comes back."""
    return file.endswith(_MULTIPROCESSING)


def how_it_left(frame: FrameType) -> Literal["returned", "awaits", "raised"]:
    """How a frame has just been left, as a profile function sees it."""
    last = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    if last.startswith("RETURN"):
        return "returned"
    # From Python 3.13 on it stands where it will go on.
    return "awaits" if last.startswith(("YIELD", "RESUME")) else "raised"
