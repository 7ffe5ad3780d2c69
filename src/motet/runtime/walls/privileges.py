"""What a process gives up for good, with everything that it will start: its user, its capabilities, and some system calls."""

from __future__ import annotations

import ctypes
import functools
import os

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
_MOST_CAPABILITIES = 64
_BYTES_PER_INSTRUCTION = 8


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def become(uid: int) -> None:
    """Be this user, in the group of the same number and in no other. Raises `OSError`."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_bounding_set() -> None:
    """No program that is started gets any capability. To be called while there are some."""
    for capability in range(_MOST_CAPABILITIES):
        # Beyond the last one that the kernel knows it says EINVAL.
        if _libc().prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0):
            break


def drop_capabilities() -> None:
    """None is left, nor can a program with the set-user-ID bit bring some. Raises `OSError`."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _libc().prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    if _libc().capset(header, (ctypes.c_uint32 * 6)()):
        raise _last_error("capset")
    # Who changes its user is taken for one that has secrets of the one before it, and cannot look at itself in /proc.
    _prctl(_PR_SET_DUMPABLE, 1)


def forbid_calls(program: bytes) -> None:
    """Put up a filter of system calls, which must allow what follows. Raises `OSError`."""
    described = _FilterProgram(len(program) // _BYTES_PER_INSTRUCTION, program)
    if _libc().prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(described), 0, 0):
        raise _last_error("seccomp")


def forbid_calls_beside(program: bytes) -> None:
    """The same beside a filter that is there already. Where there is none, whoever runs this machine has switched filters off,
    and it stays so. Raises `OSError`."""
    with open("/proc/self/status") as status:
        if not any(line.split() == ["Seccomp:", str(_SECCOMP_MODE_FILTER)] for line in status):
            return
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    forbid_calls(program)


def _prctl(option: int, value: int) -> None:
    if _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise _last_error(f"prctl({option}, {value})")


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
