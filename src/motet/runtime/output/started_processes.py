"""Processes that user code starts write to the pipes of the input that started them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from _thread import get_ident
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from motet.context.current_input import current
from motet.runtime.cpython.processes import is_worker_fork, redirected, wrap_fork_exec
from motet.runtime.cpython.threads import mend_main_thread
from motet.runtime.output.standard_streams import Outputs
from motet.runtime.processes import forked_child


class Processes:
    """Knows where a new process is to write, and sees to it in all the ways that Python starts one.

    The workers of process pools work for whichever input gives them something to do, so they write to the container's own
    streams, as do processes started outside of inputs.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._raw = outputs.raw_writers
        self._own: dict[int, tuple[int, int] | None] = {}
        self._forking: dict[int, dict[int, int]] = {}
        """By the thread that forks: several may be at it."""

    def install(self) -> None:
        """Have Python's ways to start processes ask here. Once, in a container, before user code is imported."""
        self.know_streams()
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=lambda: self._forking.pop(get_ident(), None),
            after_in_child=self._after_fork,
        )
        wrap_fork_exec(self._fork_exec, of_multiprocessing=False)  # whose workers serve all inputs
        os.posix_spawn = self._posix_spawn(os.posix_spawn)
        os.posix_spawnp = self._posix_spawn(os.posix_spawnp)
        os.system = self._system(os.system)  # type: ignore[assignment]
        os._exit = self._exit(os._exit)  # type: ignore[assignment]
        for name in ("create_subprocess_exec", "create_subprocess_shell"):
            create = self._create_subprocess(getattr(asyncio, name))
            setattr(asyncio, name, create)
            setattr(asyncio.subprocess, name, create)

    def know_streams(self) -> None:
        """Those that are there now are the container's own."""
        self._own = {descriptor: _identity(descriptor) for descriptor in (1, 2)}

    def _targets(self) -> dict[int, int]:
        """What this input's processes should have in place of descriptors 1 and 2: {} where these are to stay."""
        running = current.get()
        if running is None or self._outputs.forked:
            self._raw.child_started()
            return {}
        # Whoever put something else in place of the container's streams wants it to be written to.
        mine = [descriptor for descriptor, known in self._own.items() if _identity(descriptor) == known]
        ends = self._outputs.children.pipes(running.output or self._outputs.begin(running)) if mine else None
        if ends is None:
            self._raw.child_started()
            return {}
        return {descriptor: ends[descriptor - 1] for descriptor in mine}

    # --- fork ---------------------------------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        if forked_child.is_containers_fork:
            return
        with contextlib.suppress(Exception):
            if _is_pools_fork():
                self._raw.child_started()
            else:
                self._forking[get_ident()] = self._targets()

    def _after_fork(self) -> None:
        if forked_child.is_containers_fork:
            return
        for descriptor, target in self._forking.get(get_ident(), {}).items():
            if _identity(descriptor) == self._own[descriptor]:  # else it is on a terminal of its own by now
                os.dup2(target, descriptor)
        self._outputs.after_fork()
        forked_child.begin(sys._getframe(1))
        mend_main_thread()

    # --- the ways to start programs -----------------------------------------------------------------------------------

    def _fork_exec(self, fork_exec: Callable[..., int]) -> Callable[..., int]:
        def fork_exec_for_input(*arguments: Any) -> int:
            targets = self._targets()
            return fork_exec(*(redirected(arguments, targets) if targets else arguments))

        return fork_exec_for_input

    def _posix_spawn(self, spawn: Callable[..., int]) -> Callable[..., int]:
        def spawn_for_input(path: Any, argv: Any, env: Any, *, file_actions: Any = (), **settings: Any) -> int:
            ours = [(os.POSIX_SPAWN_DUP2, target, descriptor) for descriptor, target in self._targets().items()]
            return spawn(path, argv, env, file_actions=[*ours, *(file_actions or ())], **settings)

        return spawn_for_input

    def _system(self, system: Callable[..., int]) -> Callable[[Any], int]:
        def system_for_input(command: Any) -> int:
            """Execute the command in a subshell. Returns its wait status."""
            if current.get() is None:
                self._raw.child_started()
                return system(command)
            code = subprocess.Popen(["/bin/sh", "-c", command], close_fds=False, restore_signals=False).wait()
            return code << 8 if code >= 0 else -code

        return system_for_input

    def _exit(self, exit_now: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
        def exit_after_output(status: int) -> NoReturn:
            """Exit to the system with specified status, without normal exit processing."""
            self._outputs.end()
            exit_now(status)

        return exit_after_output

    def _create_subprocess(self, create: Callable[..., Any]) -> Callable[..., Any]:
        # uvloop starts processes by itself.
        async def create_for_input(*command: Any, stdout: Any = None, stderr: Any = None, **settings: Any) -> Any:
            targets = self._targets()
            stdout, stderr = _replaced(stdout, 1, targets), _replaced(stderr, 2, targets)
            return await create(*command, stdout=stdout, stderr=stderr, **settings)

        return create_for_input


def _identity(descriptor: int) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        return found.st_dev, found.st_ino
    return None


def _is_pools_fork() -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if is_worker_fork(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False


def _replaced(stream: Any, inherited: int, targets: dict[int, int]) -> Any:
    if stream is None:
        return targets.get(inherited)
    descriptor = stream if isinstance(stream, int) else stream.fileno()
    return targets.get(descriptor, stream)
