"""What does not survive a fork: threads, child processes, connections, event loops, and GPUs in use."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import stat
import threading
import time
from collections.abc import Collection, Iterable

from motet.client import family

_HARMLESS_DEVICES = frozenset(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))
_PAUSE_HARD = 2  # omp_pause_hard
_SETTLING_TIME = 0.5
"""Seconds that a thread which was told to end may take."""
_OPENMP = ("libgomp", "libomp", "libiomp")
_LATER = "Do that in a method with @motet.enter(), which runs in each container."


def open_descriptors() -> frozenset[int]:
    """Those of this process."""
    names = [int(name) for name in os.listdir("/proc/self/fd")]
    return frozenset(descriptor for descriptor in names if _is_open(descriptor))  # not that of the listing itself


def obstacle(before: Collection[int]) -> str | None:
    """Why containers cannot be forked from this process, in a sentence or two; None if they can. `before`: the descriptors that
    were open before user code was imported. Forks once, to see which threads libraries end by themselves for that."""
    return _threads() or _children() or _descriptors(open_descriptors() - set(before)) or _native_threads()


def _threads() -> str | None:
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if not others:
        return None
    return f"{_named('thread', sorted(thread.name for thread in others))}, which no fork takes along. {_LATER}"


def _children() -> str | None:
    found = [process for pid in family.children() if (process := family.process_of(pid)) and process.state != "Z"]
    if not found:
        return None
    return f"{_named('process', [f'{it.name} ({it.pid})' for it in found])}, of which each container would need one. {_LATER}"


def _descriptors(opened: Iterable[int]) -> str | None:
    for descriptor in sorted(opened):
        if what := _open_thing(descriptor):
            return f"{what}, which containers cannot share. {_LATER}"
    return None


def _open_thing(descriptor: int) -> str | None:
    """What is open there; None for a file, which containers may have in common."""
    mode = os.fstat(descriptor).st_mode
    name = os.readlink(f"/proc/self/fd/{descriptor}")
    if stat.S_ISSOCK(mode):
        return _open_socket(descriptor)
    if stat.S_ISFIFO(mode):
        return f"a pipe is open ({name})"
    if name.startswith("/dev/nvidia"):
        return f"a GPU is in use ({name} is open)"
    if stat.S_ISCHR(mode) and name not in _HARMLESS_DEVICES:
        return f"the device {name} is open"
    if name.startswith("anon_inode:"):
        kind = name.removeprefix("anon_inode:").strip("[]")
        return "an event loop or a selector is open" if kind.startswith("event") else f"a descriptor is open ({kind})"
    return None


def _open_socket(descriptor: int) -> str:
    with contextlib.suppress(OSError, ValueError), socket.socket(fileno=os.dup(descriptor)) as sock:
        # asyncio's loops have a pair of them, beside what they wait with.
        if sock.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                return f"a connection to {_address(sock.getpeername())} is open"
            return f"a socket at {_address(sock.getsockname())} is open"
        if path := sock.getpeername() or sock.getsockname():
            return f"a connection over {os.fsdecode(path)} is open"
        return "an event loop, or a pair of sockets, is open"
    return "a socket is open"


def _address(address: object) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) and len(address) > 1 else str(address)


def _native_threads() -> str | None:
    """Threads that are not Python's. BLAS libraries end theirs before a fork, and start them again; OpenMP's can be told to."""
    others = _other_tasks()
    if others:
        _pause_openmp()
        _fork_once()
        deadline = time.monotonic() + _SETTLING_TIME
        while (others := _other_tasks()) and time.monotonic() < deadline:
            time.sleep(_SETTLING_TIME / 100)  # nobody can wait for threads of others
    if not others:
        return None
    names = sorted(_name_of_task(task) for task in others)
    return f"{_named('native thread', names)}, which no fork takes along. Use what starts it later. {_LATER}"


def _other_tasks() -> list[str]:
    return [task for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]


def _pause_openmp() -> None:
    """Have OpenMP end its threads: it starts others when it needs them, which in a forked process it would not."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if any(name in line for name in _OPENMP)}
    for path in paths:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(path).omp_pause_resource_all(_PAUSE_HARD)


def _fork_once() -> None:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)


def _name_of_task(task: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/comm") as file:
        return file.read().strip()
    return task


def _named(kind: str, names: list[str]) -> str:
    plural = "es" if kind.endswith("s") else "s"
    quoted = ", ".join(repr(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"the {kind}{'' if len(names) == 1 else plural} {quoted} {'runs' if len(names) == 1 else 'run'}"


def _is_open(descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        os.fstat(descriptor)
        return True
    return False
