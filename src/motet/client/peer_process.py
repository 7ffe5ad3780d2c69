"""The process at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Protocol

_CREDENTIALS = struct.Struct("3i")


class HasOptions(Protocol):
    """What there is of a connected socket."""

    @property
    def family(self) -> int: ...

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
