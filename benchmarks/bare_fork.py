"""The bare tool beside which starts are measured: a process of a template's size that forks, and does nothing else.

It forks for each line of its input: files of control groups to join, and "namespaces" or nothing, with tabs between them. The
child joins them, enters new namespaces if it is told to, writes a line and ends. Used by benchmarks/walls.py.
"""

from __future__ import annotations

import ctypes
import os
import sys

from motet.runtime.lifecycle import template  # noqa: F401 - a template has it
from motet.runtime.lifecycle.entries import import_entry

_NEW = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000
"""Of mounts, names, System V objects and processes."""
_PRIVATE = 1 << 14 | 1 << 18


def main() -> None:
    import_entry("tests.backends.entries:play")
    libc = ctypes.CDLL(None, use_errno=True)
    os.write(1, b"ready\n")
    with open(0) as requests:
        for line in requests:
            *joins, namespaces = line.rstrip("\n").split("\t")
            pid = os.fork()
            if pid == 0:
                for join in joins:
                    with open(join, "w") as file:
                        file.write("0")
                if namespaces:
                    _enter_new_ones(libc)
                os.write(1, b"up\n")
                os._exit(0)
            os.waitpid(pid, 0)
            os.write(1, b"ended\n")


def _enter_new_ones(libc: ctypes.CDLL) -> None:
    """New namespaces, with a /tmp of their own. Of processes it is the child that is in one."""
    assert libc.unshare(_NEW) == 0
    assert libc.mount(b"none", b"/", None, _PRIVATE, None) == 0
    assert libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0
    if pid := os.fork():
        os.waitpid(pid, 0)
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
