"""Into the namespaces of another process, with a child that begins there and is a child of this process's parent."""

from __future__ import annotations

import ctypes
import functools
import os
import signal

_CLONE_PARENT = 0x00008000
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_MOUNT, _UTS, _IPC, _USER, _PID, _NETWORK = 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_PR_GET_TID_ADDRESS = 40
_CLONE = {"x86_64": 56, "aarch64": 220}


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
    return libc


def enter_namespaces(process: int, *, user: bool, network: bool) -> None:
    """Have this process, of one thread, be in the namespaces of another one, which a descriptor (`pidfd_open`) names. Its
    number stays that of where it was: only its children get one there. `user`, `network`: these too. Raises `OSError`."""
    flags = _MOUNT | _UTS | _IPC | _PID | (_USER if user else 0) | (_NETWORK if network else 0)
    if _libc().setns(process, flags):
        raise _last_error("setns")


def fork_for_parent() -> int:
    """As `os.fork`, but the child is a sibling: whoever waits for this process waits for it, too. Raises `OSError`.

    The C library has no function for that. What its fork does beyond the system call counts where there are threads or locks,
    and for the number that the thread knows itself by, which the kernel is told to write.
    """
    number = _CLONE[os.uname().machine]
    address = ctypes.c_void_p()
    if _libc().prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0):
        raise _last_error("prctl(PR_GET_TID_ADDRESS)")
    flags = _CLONE_PARENT | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID | signal.SIGCHLD
    # Keeps the interpreter's lock, as `os.fork` does: the child has to have it.
    call = ctypes.PyDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    call.argtypes = [ctypes.c_long] * 6
    # The last two change places on aarch64.
    last = (0, address.value or 0) if os.uname().machine == "aarch64" else (address.value or 0, 0)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(call(number, flags, 0, 0, *last))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        if pid < 0:
            raise _last_error("clone")
    return pid


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
