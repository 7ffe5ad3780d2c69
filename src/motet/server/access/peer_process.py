"""The process at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from dataclasses import dataclass
from typing import Protocol

_PR_SET_CHILD_SUBREAPER = 36
_CREDENTIALS = struct.Struct("3i")
_MOST_ANCESTORS = 1000


class HasOptions(Protocol):
    """What there is of a connected socket."""

    family: int

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """The process that connected: its pid, and the user it ran as then."""

    pid: int
    uid: int


def peer_process(sock: HasOptions | None) -> PeerProcess | None:
    """Who connected this socket; None if it is none of this machine's, or the kernel does not say."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    with contextlib.suppress(OSError):
        pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return PeerProcess(pid, uid)
    return None


def keep_descendants() -> None:
    """Make what descendants of this process leave behind its children, so that each of them stays its descendant for as long
    as it lives. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def descends_from(pid: int, ancestor: int) -> bool:
    """Whether a process is this ancestor, or one of its descendants; also true where that cannot be known."""
    if pid <= 0:  # of another namespace of processes, which this one does not see
        return True
    for _ in range(_MOST_ANCESTORS):
        if pid == ancestor:
            return True
        if pid <= 1:
            return False
        parent = _parent_of(pid)
        if parent is None:
            return True
        pid = parent
    return True


def _parent_of(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            # The name of the program, in parentheses, may contain anything, also parentheses.
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
