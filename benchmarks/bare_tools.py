"""The bare tools beside which starts are measured, each in the same run, with the same options and on the same machine.

A bare fork of a process that has imported what a template has; bubblewrap with the very command that a container's walls are
made with; podman with the very command of an OCI container. Each is timed until its first line.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from motet.backends.walls.cgroups import ControlGroups
from motet.model.isolation import NO_LIMITS, Limits, Walls
from motet.runtime.walls.bubblewrap import bubblewrap, bubblewrap_command
from motet.runtime.walls.syscall_filter import syscall_filter

_JOIN = 'until [ "$1" = -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"'
"""A shell puts itself into control groups, and goes on as the program."""


class BareFork:
    """A process of a template's size that forks, and does nothing else (bare_fork.py)."""

    def __init__(self, root: Path) -> None:
        self._groups = ControlGroups()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("bare_fork.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert self._next() == b"ready\n"

    def start(self, limits: Limits = NO_LIMITS, namespaces: str = "") -> float:
        """Milliseconds to the first line of one."""
        assert self._process.stdin is not None
        began = time.perf_counter()
        with _group(self._groups, limits) as joins:
            self._process.stdin.write("\t".join((*joins, namespaces)).encode() + b"\n")
            said = self._next()
            took = (time.perf_counter() - began) * 1000
            assert said == b"up\n", said
            assert self._next() == b"ended\n"
        return took

    def _next(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class BareBubblewrap:
    """bubblewrap as containers have it: the same namespaces, file system, filter of system calls and end with its parent."""

    def __init__(self) -> None:
        program = bubblewrap()
        assert program is not None, "bubblewrap is not installed"
        self._program = program
        self._groups = ControlGroups()

    def start(self, command: list[str], walls: Walls, directory: Path, limits: Limits = NO_LIMITS) -> float:
        """Milliseconds to the first line of a command within."""
        began = time.perf_counter()
        with _group(self._groups, limits) as joins:
            calls, write_calls = os.pipe()
            info, write_info = os.pipe()
            output, write_output = os.pipe()
            for descriptor in (calls, write_info):
                os.set_inheritable(descriptor, True)
            os.write(write_calls, syscall_filter())
            os.close(write_calls)
            as_root = os.geteuid() == 0
            words = bubblewrap_command(
                self._program, walls, str(directory), as_root=as_root, info=write_info, calls=calls
            )
            words += command
            if joins:
                words = ["/bin/sh", "-c", _JOIN, "sh", *joins, "--", *words]
            pid = os.posix_spawn(words[0], words, {}, file_actions=[(os.POSIX_SPAWN_DUP2, write_output, 1)])
            for descriptor in (calls, write_info, write_output):
                os.close(descriptor)
            assert os.read(output, 100) == b"up\n"
            took = (time.perf_counter() - began) * 1000
            os.waitpid(pid, 0)
            os.close(output)
            os.close(info)
        return took


def bare_program(command: list[str], env: dict[str, str]) -> float:
    """Milliseconds to the first line of a program."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env, bufsize=0) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        took = (time.perf_counter() - began) * 1000
    assert said == b"up\n", said
    return took


@contextlib.contextmanager
def _group(groups: ControlGroups, limits: Limits) -> Iterator[tuple[str, ...]]:
    group = groups.make(f"bare-{os.getpid()}", limits)
    try:
        yield () if group is None else group.joins
    finally:
        while group is not None and not group.remove():
            time.sleep(0.001)
