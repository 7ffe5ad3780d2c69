"""The port of a server that user code started: which one it is, and that it is this container's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import motet
from motet.client.family import Process, descendants
from motet.errors import ExecutionError
from motet.runtime.attribution import context_propagation

HOSTS = ("127.0.0.1", "::1")
"""Where a server may be; some take the name localhost for the second one alone."""
POLL = 0.01
LOOK_EVERY = 10
"""Polls between looks at whether anything is left that could listen."""
_MOTET = os.path.dirname(motet.__file__)
_BEGIN_THREADS = (threading.__file__, context_propagation.__file__)
"""The files with the outermost frames of a thread, whoever begins it."""
LISTENING = "0A"
"""The state of a socket that accepts connections, as /proc/net/tcp has it."""


class Address(NamedTuple):
    """Where a server accepts connections."""

    host: str
    port: int


def start_server(call: Callable[..., Any], port: int, startup_timeout: float) -> Address:
    """Have the function start its server, and return where that accepts connections.

    The function finds a free port in `PORT` and `MOTET_WEB_SERVER_PORT`; its server may take that or `port`. Raises the
    builtin `TimeoutError` if it takes neither within `startup_timeout` seconds, and `ExecutionError` as soon as nothing is
    left that could.
    """
    free = _free_port()
    for name in ("PORT", "MOTET_WEB_SERVER_PORT"):
        os.environ[name] = str(free)
    threads = _threads()
    call()
    deadline = time.monotonic() + startup_timeout
    polls = 0
    while time.monotonic() < deadline:
        nothing_left = polls % LOOK_EVERY == 0 and _nothing_left(threads)
        for address in [Address(host, it) for it in (free, port) for host in HOSTS]:
            if _accepts(address) and is_ours(address.port):
                return address
        if nothing_left:  # and there was nothing that accepted connections after that was seen
            raise ExecutionError(_no_server(port))
        polls += 1
        time.sleep(POLL)
    text = (
        f"Waited too long for port {port} to start accepting connections. Make sure that the web server listens on it, on "
        f"127.0.0.1 or 0.0.0.0, or on the port in the environment variable PORT, or adjust `startup_timeout`."
    )
    raise TimeoutError(text + _taken(port))


def is_ours(port: int) -> bool:
    """Whether this process or a descendant listens on a port: containers share their machine's ports."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    return bool(sockets) and any(_holds(pid, sockets) for pid in [os.getpid(), *(it.pid for it in descendants())])


def _no_server(port: int) -> str:
    ends = [end for process in descendants() if (end := _how_it_ended(process)) is not None]
    what = "; ".join(ends) or "nothing that it started is left"
    return f"the server of `@web_server` ended before it accepted connections on port {port}: {what}.{_taken(port)}"


def _taken(port: int) -> str:
    if not any(_accepts(Address(host, port)) for host in HOSTS) or is_ours(port):
        return ""
    return (
        f" Port {port} of this machine is taken by a process outside this container: have the server use the port "
        "in the environment variable PORT, or set `max_containers=1`."
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOSTS[0], 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(address: Address) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def _listening(port: int) -> set[str]:
    """The inodes of sockets that listen on a port."""
    found: set[str] = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


class _Threads(NamedTuple):
    """The threads of this process at a moment."""

    begun: set[FrameType]
    """The outermost frames of Python's threads: each thread has its own. Never Motet's threads."""
    others: int
    """How many Python does not know: servers written in other languages have some. A thread that ends is one, for a moment."""


def _threads() -> _Threads:
    tasks = _tasks()
    frames = sys._current_frames().values()
    # Again: a thread that has a frame is then among them, though it began or ended meanwhile. `others` is never too low.
    tasks |= _tasks()
    begun = {calls[-1] for frame in frames if not _is_own(calls := _calls(frame))}
    return _Threads(begun, len(tasks) - len(frames))


def _tasks() -> set[str]:
    """The threads of this process, as the system has them."""
    return set(os.listdir("/proc/self/task"))


def _calls(frame: FrameType | None) -> list[FrameType]:
    """A thread's frames, the innermost first."""
    calls = []
    while frame is not None:
        calls.append(frame)
        frame = frame.f_back
    return calls


def _is_own(calls: list[FrameType]) -> bool:
    """Whether a thread was begun by Motet."""
    files = (call.f_code.co_filename for call in reversed(calls))
    first = next((file for file in files if file not in _BEGIN_THREADS), "")
    return first.startswith(_MOTET)


def _nothing_left(before: _Threads) -> bool:
    """Whether neither a process nor a thread is there, beside the threads before, that could become a server."""
    now = _threads()
    no_threads = now.begun <= before.begun and now.others <= before.others
    return no_threads and all(process.state == "Z" for process in descendants())


def _how_it_ended(process: Process) -> str | None:
    """What became of a child that has ended; its status stays there for whoever started it."""
    with contextlib.suppress(ChildProcessError):
        end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if end is not None and end.si_code == os.CLD_EXITED:
            return f"`{process.name}` exited with status {end.si_status}"
        if end is not None:
            return f"`{process.name}` was killed by signal {end.si_status} ({signal.Signals(end.si_status).name})"
    return None


def _holds(pid: int, sockets: set[str]) -> bool:
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") in sockets:
                return True
    return False
