"""Who may write to a container's stdout and stderr past Python, beside the inputs that run: threads, tasks, processes."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Callable

from motet.runtime.attribution.own_tasks import every_task
from motet.runtime.cpython.tasks import all_tasks
from motet.runtime.output.input_output import InputOutput
from motet.runtime.sender import Sender
from motet.wire.output_messages import OutputShared

_LINE_BUFFERED = 1  # _IOLBF
_c_buffer = ctypes.create_string_buffer(8192)

_tasks = all_tasks()


class RawWriters:
    """Tells the server whenever that changes. It gives what comes through the container's pipes to an input only while that
    input runs alone, and nobody else is there.

    Thread-safe. Not seen: threads that are not Python's, callbacks left in an event loop, and processes started by
    libraries past Python.
    """

    def __init__(self, sender: Sender) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the container's tasks, if it has one."""
        self._sender = sender
        self._lock = threading.Lock()
        self._others = 0
        self._children_possible = False
        self._told = False
        self._flush_c = _line_buffered_c_stdout()

    def started(self, owner: InputOutput | None) -> None:
        """A thread, or work for one, that belongs to an input or to none."""
        with self._lock:
            if owner is None or owner.ended:
                self._others += 1
            else:
                owner.writers += 1

    def stopped(self, owner: InputOutput | None) -> None:
        """It has ended."""
        with self._lock:
            if owner is None or owner.ended:
                self._others -= 1
            else:
                owner.writers -= 1

    def input_ended(self, owner: InputOutput) -> None:
        """What an input has left running is nobody's from now on."""
        with self._lock:
            if not owner.ended:
                owner.ended = True
                self._others += owner.writers

    def child_started(self) -> None:
        """There may be a process that writes to the container's own streams."""
        self._children_possible = True

    def look(self, own_tasks: int) -> None:
        """No input runs, and `own_tasks` of ours do on the loop: queue word for the server if something has changed."""
        self._flush_c()
        shared = self._others > 0 or self._has_tasks(own_tasks) or (self._children_possible and self._has_children())
        if shared != self._told:
            self._told = shared
            self._sender.queue(OutputShared(shared))

    def _has_tasks(self, own_tasks: int) -> bool:
        # The set holds tasks that have ended, too, for a while: only if it has more is it worth while to look at each.
        if self.loop is None or (_tasks is not None and len(_tasks) <= own_tasks):
            return False
        return len(every_task(self.loop)) > own_tasks

    def _has_children(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return True
        # Until one is started again: the kernel need not be asked after each input.
        self._children_possible = False
        return False


def _line_buffered_c_stdout() -> Callable[[], object]:
    """Have C's stdout written line by line, as it is on a terminal: text that waits in its buffer would leave with another
    input's. Returns what writes the rest."""
    try:
        libc = ctypes.PyDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t)
        libc.fflush.argtypes = (ctypes.c_void_p,)
        # With a buffer of ours: glibc writes the first character apart from the rest if it has to make one.
        libc.setvbuf(stdout, _c_buffer, _LINE_BUFFERED, len(_c_buffer))
    except (AttributeError, OSError, ValueError):  # not a libc that names it so
        return lambda: None
    return functools.partial(libc.fflush, stdout)
