"""The system calls that code within walls has no business with, as a program of the kernel's seccomp filter.

They lead out of the walls (other namespaces, mounts), into other processes (ptrace), to what all of the machine shares
(keyrings, BPF, performance counters), or need privileges that nobody within has. All else is allowed, and costs next to
nothing: the kernel notes that these calls are allowed whatever their arguments.
"""

from __future__ import annotations

import errno
import functools
import os
import struct

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL_PROCESS = 0x80000000
_LOAD, _IS, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in what the filter is given."""
_NEW_NAMESPACES = 0x7E020000
"""Flags of clone and unshare: mount, cgroup, uts, ipc, user, pid and network."""
_NEW_TIME_NAMESPACE = 0x00000080
"""Of unshare alone: clone has the signal there."""
_X32 = 0x40000000
_FOREIGN_FAMILIES = (17, 38, 40, 44)
"""AF_PACKET, AF_ALG, AF_VSOCK, AF_XDP."""

_EVERYWHERE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 443)
"""io_uring (3), open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, pidfd_getfd, mount_setattr, quotactl_fd."""

_CLONE3 = 435
"""Its flags lie in memory, where a filter cannot look: the C library goes on with clone where there is no clone3."""


class _Machine:
    """The numbers that calls have on one kind of processor."""

    def __init__(self, architecture: int, denied: tuple[int, ...], clone: int, unshare: int, socket: int) -> None:
        self.architecture = architecture
        self.denied = denied
        self.clone = clone
        self.unshare = unshare
        self.socket = socket


# In both rows: ptrace, process_vm_readv, process_vm_writev, kcmp; mount, umount2, pivot_root, chroot, setns; add_key,
# request_key, keyctl; bpf, perf_event_open, userfaultfd; kexec_load, kexec_file_load, init_module, finit_module, delete_module;
# open_by_handle_at, name_to_handle_at; acct, swapon, swapoff, reboot, settimeofday, clock_settime, clock_adjtime, quotactl,
# syslog, sethostname, setdomainname, vhangup, lookup_dcookie, fanotify_init, move_pages; of x86_64 iopl, ioperm, modify_ldt,
# uselib, too.
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (
            101, 310, 311, 312, 165, 166, 155, 161, 308, 248, 249, 250, 321, 298, 323, 246, 320, 175, 313, 176, 304, 303, 163,
            167, 168, 169, 164, 227, 305, 179, 103, 170, 171, 153, 212, 300, 279, 172, 173, 154, 134,
        ),
        clone=56,
        unshare=272,
        socket=41,
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (
            117, 270, 271, 272, 40, 39, 41, 51, 268, 217, 218, 219, 280, 241, 282, 104, 294, 105, 273, 106, 265, 264, 89,
            224, 225, 142, 170, 112, 266, 60, 116, 161, 162, 58, 18, 262, 239,
        ),
        clone=220,
        unshare=97,
        socket=198,
    ),
}  # fmt: skip


def knows_calls() -> bool:
    """Whether those of this machine are listed here."""
    return os.uname().machine in _MACHINES


@functools.cache
def syscall_filter(machine: str | None = None) -> bytes:
    """The filter as the kernel reads it. Raises `OSError` on processors whose calls are not listed here."""
    machine = machine or os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOTSUP, f"the system calls of {machine} are not known, so none of them can be forbidden")
    calls = _MACHINES[machine]
    namespaces = _argument_has(_NEW_NAMESPACES)
    unshared = _argument_has(_NEW_NAMESPACES | _NEW_TIME_NAMESPACE)
    families = [
        _instruction(_LOAD, _FIRST_ARGUMENT),
        *(
            line
            for family in _FOREIGN_FAMILIES
            for line in (_instruction(_IS, family, 0, 1), _instruction(_RETURN, _ERRNO | errno.EPERM))
        ),
        _instruction(_RETURN, _ALLOW),
    ]
    parts = [
        [
            _instruction(_LOAD, _ARCHITECTURE),
            _instruction(_IS, calls.architecture, 1, 0),
            _instruction(_RETURN, _KILL_PROCESS),
            _instruction(_LOAD, _NUMBER),
        ],
        [_instruction(_AT_LEAST, _X32, 0, 1), _instruction(_RETURN, _ERRNO | errno.EPERM)],
        *(_when(number, [_instruction(_RETURN, _ERRNO | errno.EPERM)]) for number in (*calls.denied, *_EVERYWHERE)),
        _when(_CLONE3, [_instruction(_RETURN, _ERRNO | errno.ENOSYS)]),
        _when(calls.clone, namespaces),
        _when(calls.unshare, unshared),
        _when(calls.socket, families),
        [_instruction(_RETURN, _ALLOW)],
    ]
    return b"".join(line for part in parts for line in part)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _when(number: int, then: list[bytes]) -> list[bytes]:
    return [_instruction(_IS, number, 0, len(then)), *then]


def _argument_has(flags: int) -> list[bytes]:
    return [
        _instruction(_LOAD, _FIRST_ARGUMENT),
        _instruction(_ANY_OF, flags, 0, 1),
        _instruction(_RETURN, _ERRNO | errno.EPERM),
        _instruction(_RETURN, _ALLOW),
    ]
