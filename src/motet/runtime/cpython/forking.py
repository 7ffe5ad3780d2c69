"""Forks that `os.fork` does not offer."""

from __future__ import annotations

import ctypes
import functools
import os
import signal

_CLONE_PARENT = 0x00008000
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_PR_GET_TID_ADDRESS = 40
_CLONE = {"x86_64": 56, "aarch64": 220}


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library; see `last_error`."""
    return ctypes.CDLL(None, use_errno=True)


def last_error(call: str) -> OSError:
    """What a function of it has failed with."""
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")


def fork_for_parent() -> int:
    """As `os.fork`, but the child is a sibling: whoever waits for this process waits for it, too. Raises `OSError`.

    The C library has no function for that. What its fork does beyond the system call counts where there are threads or locks,
    and for the number that the thread knows itself by, which the kernel is told to write.
    """
    number = _CLONE[os.uname().machine]
    address = ctypes.c_void_p()
    if libc().prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0):
        raise last_error("prctl(PR_GET_TID_ADDRESS)")
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
            raise last_error("clone")
    return pid
