"""The process at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from motet.client.family import process_of

_CREDENTIALS = struct.Struct("3i")
_SO_PEERPIDFD = 77
_MOST_ANCESTORS = 1000


class HasOptions(Protocol):
    """What there is of a connected socket."""

    @property
    def family(self) -> int: ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class PeerProcess:
    """The process that connected: its pid, the user it ran as then, and when it began; None if it had ended by then."""

    pid: int
    uid: int
    began: int | None

    @classmethod
    def of(cls, pid: int, uid: int) -> PeerProcess:
        """The process that has this number now."""
        process = process_of(pid)
        return cls(pid, uid, None if process is None else process.began)


def peer_process(sock: HasOptions | None) -> PeerProcess | None:
    """Who connected this socket; None if it is none of this machine's, or the kernel does not say. To be asked at once: later
    on the number may be another process's."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    with contextlib.suppress(OSError):
        pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        process = PeerProcess.of(pid, uid)
        # Asked after that: if it lives now, nobody else had its number meanwhile.
        return process if _lives(sock, pid) else PeerProcess(pid, uid, None)
    return None


def _lives(sock: HasOptions, pid: int) -> bool:
    """Whether the very process that connected still has that number: the kernel keeps hold of it, where it can (Linux 6.5)."""
    try:
        handle = struct.unpack("i", sock.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, 4))[0]
    except OSError as error:
        return error.errno == errno.ENOPROTOOPT  # a kernel that does not know is believed
    try:
        return f"Pid:\t{pid}" in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines()
    except OSError:
        return True  # no /proc: others notice
    finally:
        os.close(handle)


def is_marked_as_containers(pid: int) -> bool:
    """Whether a process was started in a container, by what it was given of its environment: also one that outlived its
    server, and descends from nobody who could be asked."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False  # of another user, or ended, which others notice
    return any(each.startswith(b"MOTET_CONTAINER_ID=") for each in variables)


def descends_from(peer: PeerProcess, ancestor: int) -> bool:
    """Whether a process is this ancestor, or one of its descendants; also true where that cannot be known."""
    pid = peer.pid
    if pid <= 0:  # of another namespace of processes, which this one does not see
        return True
    if peer.began is None or (now := process_of(pid)) is None or now.began != peer.began:
        return True  # it has ended, and another may have its number
    for _ in range(_MOST_ANCESTORS):
        if pid == ancestor:
            return True
        if pid <= 1:
            return False
        process = process_of(pid)
        if process is None:
            return True
        pid = process.parent
    return True
