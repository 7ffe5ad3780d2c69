"""Collects the ended processes that a container adopted; what its own code started is that code's to wait for."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import uvloop

from motet.client import family
from motet.runtime.cpython.processes import wrap_fork_exec

GRACE = 0.1
"""Seconds that an ended process is left alone: C code that started one past Python waits for it."""
LONGEST_PAUSE = 5.0
"""Seconds between two looks while nothing but the code's own ended processes is there: these hide the others."""
_MANY = 1024
"""Of pids known as the code's own; those that it has waited for are forgotten then."""


class Orphans:
    """A container adopts what its descendants leave behind (`command &` in a shell), as init does elsewhere.

    The kernel does not tell such children from those that code here has started, so the latter are noted where Python
    starts them. A thread waits for processes to end; it begins with the first one, and never takes a noted one's status.
    """

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._starting: set[object] = set()
        """One entry for each start that is under way, whose pid is not known yet. (Sets: no lock that a fork could copy.)"""
        self._some = threading.Event()
        self._watching = False

    def install(self) -> None:
        """Note what Python starts from now on. Once, in a container, after whatever else replaces these functions."""
        for name in ("fork", "posix_spawn", "posix_spawnp"):
            setattr(os, name, self._noting(getattr(os, name)))
        os.forkpty = self._noting(os.forkpty, lambda made: made[0])
        wrap_fork_exec(self._noting, of_multiprocessing=True)
        for name in ("subprocess_exec", "subprocess_shell"):
            setattr(uvloop.Loop, name, self._noting_async(getattr(uvloop.Loop, name)))
        os.register_at_fork(after_in_child=self._after_fork)

    def _noting(
        self, start: Callable[..., Any], pid_of: Callable[[Any], int] = lambda made: made
    ) -> Callable[..., Any]:
        @functools.wraps(start)
        def start_noted(*arguments: Any, **settings: Any) -> Any:
            this = object()
            self._starting.add(this)
            try:
                made = start(*arguments, **settings)
                if pid := pid_of(made):  # 0 in a forked child
                    self.started(pid)
                return made
            finally:
                self._starting.discard(this)

        return start_noted

    def _noting_async(self, start: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(start)
        async def start_noted(*arguments: Any, **settings: Any) -> Any:
            this = object()
            self._starting.add(this)
            try:
                made = await start(*arguments, **settings)
                self.started(made[0].get_pid())
                return made
            finally:
                self._starting.discard(this)

        return start_noted

    def started(self, pid: int) -> None:
        """This process is the code's own."""
        self._own.add(pid)
        if not self._watching:
            # Before it runs: another thread may start a process meanwhile.
            self._watching = True
            threading.Thread(target=self._watch, name="motet-orphans", daemon=True).start()
        self._some.set()

    def _after_fork(self) -> None:
        # There is no such thread here, and nothing is adopted.
        self._some = threading.Event()
        self._watching = True

    # --- on the thread ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            with contextlib.suppress(ChildProcessError):  # there are none left
                self._collect()

    def _collect(self) -> None:
        seen: set[int] = set()
        pause = GRACE
        while True:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            time.sleep(pause)
            orphans = {pid for pid in family.ended_children() if self._is_orphan(pid)}
            for pid in orphans & seen:
                os.waitpid(pid, os.WNOHANG)
            pause = GRACE if orphans else min(2 * pause, LONGEST_PAUSE)
            seen = orphans
            self._forget()

    def _is_orphan(self, pid: int) -> bool:
        # In this order: a start that is over has noted its pid. Until it is waited for, no other process can have it.
        return not self._starting and pid not in self._own

    def _forget(self) -> None:
        if len(self._own) > _MANY:
            known = set(self._own)
            self._own -= known - set(family.all_children())
