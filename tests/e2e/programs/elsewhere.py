"""Makes this process as much like one on macOS or Windows as a process on Linux can be: run before Motet is imported.

What only POSIX has cannot be imported, and is missing from the modules that everybody has. The standard library, and what
commands draw with, is imported first: it is what it is on this system.
"""

from __future__ import annotations

import asyncio  # noqa: F401
import concurrent.futures  # noqa: F401
import ctypes
import importlib.metadata  # noqa: F401
import logging  # noqa: F401
import multiprocessing  # noqa: F401
import os
import select
import selectors
import shutil  # noqa: F401
import signal
import socket
import subprocess  # noqa: F401
import sys
import sysconfig
import tempfile  # noqa: F401
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

import click.testing  # noqa: F401
import rich.console
import rich.live  # noqa: F401

ABSENT = {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "curses", "syslog", "uvloop", "_posixsubprocess"}
MISSING = {
    os: ["fork", "register_at_fork", "geteuid", "getuid", "killpg", "setsid", "waitid", "O_PATH", "O_DIRECTORY",
         "O_CLOEXEC", "O_NOFOLLOW", "sched_getaffinity", "posix_spawn", "eventfd", "pidfd_open", "mkfifo", "uname"],
    select: ["poll", "epoll"],
    socket: ["AF_UNIX", "SO_PEERCRED", "socketpair", "send_fds", "recv_fds"],
    signal: ["SIGKILL", "SIGALRM", "SIGHUP", "SIGCHLD", "pthread_sigmask", "setitimer", "sigwait", "pthread_kill"],
}  # fmt: skip


class NotThere:
    """Stands before all that finds modules."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def _no_library(*args: object, **kwargs: object) -> None:
    raise OSError("no library of that name")


for name in [each for each in sys.modules if each.partition(".")[0] in ABSENT]:
    del sys.modules[name]
sys.meta_path.insert(0, NotThere())  # type: ignore[arg-type]
for module, names in MISSING.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sysconfig.get_config_vars()  # which are of this system
ctypes.CDLL = _no_library  # type: ignore[assignment,misc]
selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc,assignment]
sys.platform = "darwin"  # as win32, it would be told to speak to its own kernel as to another
