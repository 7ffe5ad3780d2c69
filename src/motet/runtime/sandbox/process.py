"""One command in a sandbox: started, its streams, its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping

from motet.errors import Error, InvalidError, NotFoundError
from motet.model.sandbox import EXEC_TIMED_OUT, ProcessSpec, PtySize
from motet.runtime.sandbox.pipes import InputPipe, OutputPipe

KILL_AFTER = 10.0
"""Seconds that a process which was told to end may take."""

MAIN_BYTES = 8 * 1024 * 1024
PROCESS_BYTES = 4 * 1024 * 1024
"""What is kept of each stream of the command that a sandbox was created with, and of others."""


class RunningProcess:
    """A command that was started. `on_ended` is called when it has ended, before those who wait for it go on."""

    def __init__(
        self,
        spec: ProcessSpec,
        environment: Mapping[str, str],
        workdir: str,
        on_ended: Callable[[RunningProcess], None],
        tee: tuple[Callable[[bytes], None], Callable[[bytes], None]] | None = None,
    ) -> None:
        """Start it. Raises `NotFoundError` or `InvalidError`, which say why it cannot be."""
        self.returncode: int | None = None
        self.ended = asyncio.Event()
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._timers: list[asyncio.TimerHandle] = []
        self._timed_out = False
        self._terminal: int | None = None
        env = {**environment, **spec.env}
        directory = os.path.join(workdir, spec.workdir)
        limit = PROCESS_BYTES if tee is None else MAIN_BYTES
        also = tee or (None, None)
        if spec.pty is not None:
            self._popen, descriptor = _started_with_terminal(spec, spec.pty, env, directory)
            self._terminal = descriptor
            self.stdin = InputPipe(os.dup(descriptor), is_terminal=True)
            self.outputs = {"stdout": OutputPipe(descriptor, limit, also[0], is_kept=spec.keeps_stdout)}
        else:
            self._popen = _started(spec.command, env, directory)
            stdin, stdout, stderr = map(_taken, (self._popen.stdin, self._popen.stdout, self._popen.stderr))
            self.stdin = InputPipe(stdin, is_terminal=False)
            self.outputs = {
                "stdout": OutputPipe(stdout, limit, also[0], is_kept=spec.keeps_stdout),
                "stderr": OutputPipe(stderr, limit, also[1], is_kept=spec.keeps_stderr),
            }
        self._watched = os.pidfd_open(self._popen.pid)
        self._loop.add_reader(self._watched, self._has_ended)
        if spec.timeout is not None:
            self._timers.append(self._loop.call_later(spec.timeout, self._time_out))

    @property
    def pid(self) -> int:
        """Its number, which is that of its session, too."""
        return self._popen.pid

    def end(self) -> None:
        """Tell it to end, and make it later. Idempotent."""
        self._signal(signal.SIGTERM)
        if self.returncode is None:
            self._timers.append(self._loop.call_later(KILL_AFTER, self.kill))

    def kill(self) -> None:
        """End it now, with what it started and did not detach."""
        self._signal(signal.SIGKILL)

    def resize(self, size: PtySize) -> None:
        """Its terminal has this size now. Raises `InvalidError` if it has none."""
        if self._terminal is None:
            raise InvalidError("the process has no terminal: start it with pty=True")
        if self.returncode is None:
            _set_size(self._terminal, size)

    def let_go(self) -> None:
        """Nobody asks for it any more."""
        for output in self.outputs.values():
            output.close()
        self.stdin.close()

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def _has_ended(self) -> None:
        status = self._popen.poll()
        if status is None:
            return
        self._loop.remove_reader(self._watched)
        os.close(self._watched)
        for timer in self._timers:
            timer.cancel()
        self.stdin.close()
        for output in self.outputs.values():
            output.process_ended()
        self._terminal = None
        self.returncode = EXEC_TIMED_OUT if self._timed_out else status if status >= 0 else 128 - status
        self._on_ended(self)
        self.ended.set()


def _taken(file: object) -> int:
    """A descriptor that is nobody else's to close."""
    descriptor = os.dup(file.fileno())  # type: ignore[attr-defined]
    file.close()  # type: ignore[attr-defined]
    return descriptor


def _started(command: tuple[str, ...], env: Mapping[str, str], directory: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=env,
            start_new_session=True,
            restore_signals=True,
        )
    except (OSError, ValueError) as error:
        raise _why_not(command, env, directory, error) from error


def _started_with_terminal(
    spec: ProcessSpec, size: PtySize, env: dict[str, str], directory: str
) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = os.openpty()
    try:
        _set_size(slave, size)
        env.setdefault("TERM", "xterm-256color")
        popen = subprocess.Popen(
            spec.command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=directory,
            env=env,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - no lock of a thread is taken there
        )
    except (OSError, ValueError) as error:
        os.close(master)
        raise _why_not(spec.command, env, directory, error) from error
    finally:
        os.close(slave)
    return popen, master


def _take_terminal() -> None:
    """The session's terminal is the one that is its stdin: Ctrl-C there is a signal to what runs in the foreground."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_size(descriptor: int, size: PtySize) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))


def _why_not(command: tuple[str, ...], env: Mapping[str, str], directory: str, error: Exception) -> Error:
    if not os.path.isdir(directory):
        return NotFoundError(f"the working directory {directory!r} does not exist in the sandbox")
    program = command[0]
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ENOENT:
        if os.path.dirname(program):
            found = os.path.exists(os.path.join(directory, program))
            why = "the interpreter that its first line names does not exist" if found else "there is no such file"
            return NotFoundError(f"the command {program!r} cannot run in the sandbox: {why}")
        return NotFoundError(
            f"the command {program!r} was not found in the sandbox. PATH is {env.get('PATH', '')!r}; a line for a shell goes "
            "to one: 'sh', '-c', '...'"
        )
    if number == errno.EACCES:
        found_at = shutil.which(program, os.F_OK, env.get("PATH")) or program
        return InvalidError(f"the command {program!r} cannot run in the sandbox: {found_at} is not executable")
    return InvalidError(f"the command {program!r} could not be started in the sandbox: {error}")
