"""The port of a server that user code started: which one it is, and that it is this container's."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from motet.runtime.web.proxy import HOST

POLL = 0.01
LISTENING = "0A"
"""The state of a socket that accepts connections, as /proc/net/tcp has it."""


def start_server(call: Callable[..., Any], port: int, startup_timeout: float) -> int:
    """Have the function start its server, and return the port on which that accepts connections.

    The function finds a free port in `PORT` and `MOTET_WEB_SERVER_PORT`; its server may take that or `port`. Raises the
    builtin `TimeoutError` if it takes neither within `startup_timeout` seconds.
    """
    free = _free_port()
    for name in ("PORT", "MOTET_WEB_SERVER_PORT"):
        os.environ[name] = str(free)
    call()
    deadline = time.monotonic() + startup_timeout
    while time.monotonic() < deadline:
        for candidate in (free, port):
            if _accepts(candidate) and is_ours(candidate):
                return candidate
        time.sleep(POLL)
    text = (
        f"Waited too long for port {port} to start accepting connections. Make sure the web server is bound to 0.0.0.0 "
        "(rather than localhost or 127.0.0.1), or adjust `startup_timeout`."
    )
    if _accepts(port):
        text += (
            f" Port {port} of this machine is taken by a process outside this container: have the server use the port "
            "in the environment variable PORT, or set `max_containers=1`."
        )
    raise TimeoutError(text)


def is_ours(port: int) -> bool:
    """Whether this process or a descendant listens on a port: containers share their machine's ports."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    return bool(sockets) and any(_holds(pid, sockets) for pid in _family())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
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


def _family() -> list[int]:
    """This process and all its descendants (orphans among them are its children)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                # The name of the program, in parentheses, may contain anything.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    family = [os.getpid()]
    for pid in family:
        family += children.get(pid, [])
    return family


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
