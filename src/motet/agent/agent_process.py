"""The process of a host agent, from outside: started at a socket, and connected to there."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from motet.client.socket_path import socket_path


def connected(path: Path) -> socket.socket | None:
    """A connection to the agent at this socket; None: there is none. Raises `OSError`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_path(str(path)) as short:
            sock.connect(short)
    except OSError as error:
        sock.close()
        if error.errno not in (errno.ENOENT, errno.ECONNREFUSED):
            raise
        return None
    return sock


def start_agent(path: Path, env: Mapping[str, str], entry: str) -> subprocess.Popen[bytes]:
    """Start one, which can be connected to from now on at this socket. What it says goes to `agent.log` beside it. Raises
    `OSError`."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        with socket_path(str(path)) as short:
            listening.bind(short)
        path.chmod(0o600)
        listening.listen()
        with open(path.with_name("agent.log"), "ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "motet.agent.agent",
                    "--entry",
                    entry,
                    "--listening",
                    str(listening.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=dict(env),
                cwd=path.parent,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
