"""Parents, children and orphans: what the kernel is asked to do when one of them ends. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
from collections.abc import Iterator
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Process(NamedTuple):
    """A process of this machine. `state` as /proc has it: Z if it has ended and nobody asked for its status. `began`: when it
    did, in ticks since the machine started; with its number that is no other's."""

    pid: int
    parent: int
    name: str
    state: str
    began: int


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {value}): {os.strerror(number)}")


def die_with_parent(sent: signal.Signals, parent: int) -> None:
    """Have `sent` delivered to this process when its parent ends: the *thread* that forked it, as the kernel sees it.

    A parent of pid `parent` that has ended before this call counts too. Lost by fork, kept by exec.
    """
    _prctl(_PR_SET_PDEATHSIG, sent)
    if os.getppid() != parent:
        os.kill(os.getpid(), sent)


def adopt_orphans() -> None:
    """Make descendants whose parent ended children of this process. Not inherited by fork."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """The pids of this process's children, zombies and adopted ones among them. For a single-threaded process."""
    try:
        with open("/proc/thread-self/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:  # a kernel built without CONFIG_PROC_CHILDREN
        return _children_by_scan()


def all_children() -> list[int]:
    """The same for a process with threads, each of which has children of its own."""
    try:
        found = []
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError), open(f"/proc/self/task/{thread}/children", "rb") as file:
                found += [int(pid) for pid in file.read().split()]
        return found
    except FileNotFoundError:  # that kernel, or a thread that has just ended
        return _children_by_scan()


def ended_children() -> list[int]:
    """The pids of a process's children, with threads or without, that have ended; they stay zombies."""
    return [pid for pid in all_children() if _has_ended(pid)]


def _has_ended(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return False


def descendants() -> list[Process]:
    """All descendants of this process (orphans among them are its children, if it adopts those)."""
    children: dict[int, list[Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found = list(children.get(os.getpid(), ()))
    for process in found:
        found += children.get(process.pid, [])
    return found


def _children_by_scan() -> list[int]:
    mine = os.getpid()
    return [process.pid for process in _processes() if process.parent == mine]


def _processes() -> Iterator[Process]:
    for pid in os.listdir("/proc"):
        if pid.isdecimal() and (process := process_of(int(pid))) is not None:
            yield process


def process_of(pid: int) -> Process | None:
    """The process of this number; None if there is none, or none that can be seen."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", errors="replace") as file:
        # The name of the program, in parentheses, may contain anything, also parentheses.
        start, _, rest = file.read().rpartition(")")
        if rest:  # else it has just ended
            fields = rest.split()
            return Process(pid, int(fields[1]), start.partition("(")[2], fields[0], int(fields[19]))
    return None


def kill(pid: int) -> None:
    """SIGKILL a child and the group it leads. It must not have been reaped: until then the number is its own."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, signal.SIGKILL)


def stopped_or_continued_child() -> tuple[int, bool] | None:
    """The pid of a child that a signal stopped (True) or let go on (False) since it was asked last; None if there is none.

    Of several such changes to one child the kernel keeps the latest.
    """
    with contextlib.suppress(ChildProcessError):
        changed = os.waitid(os.P_ALL, 0, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
        return (changed.si_pid, changed.si_code != os.CLD_CONTINUED) if changed else None
    return None


def ended_child() -> int | None:
    """The pid of a child that has ended, which stays a zombie; None if there is none."""
    with contextlib.suppress(ChildProcessError):
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended.si_pid if ended else None
    return None
