"""Into the namespaces of another process."""

from __future__ import annotations

from motet.runtime.cpython.forking import last_error, libc

_MOUNT, _UTS, _IPC, _USER, _PID, _NETWORK = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000


def enter_namespaces(process: int, *, user: bool, network: bool) -> None:
    """Have this process, of one thread, be in the namespaces of another one, which a descriptor (`pidfd_open`) names. Its
    number stays that of where it was: only its children get one there. `user`, `network`: these too. Raises `OSError`."""
    flags = _MOUNT | _UTS | _IPC | _PID | (_USER if user else 0) | (_NETWORK if network else 0)
    if libc().setns(process, flags):
        raise last_error("setns")
