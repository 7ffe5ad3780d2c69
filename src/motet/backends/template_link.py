"""A template process and the socket to it: requests are queued, never waited for; its reports come as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from motet.backends.base import describe_exit
from motet.backends.channel import Channel
from motet.wire.template import TemplateReport, TemplateRequest, decode_to_backend, frame

CLOSE_TIMEOUT = 10.0


class TemplateLink:
    """Starts a template on construction; `OSError` if that fails. Requests may follow at once: they wait in the socket.

    `reported` gets each of its reports, and finally `ended` is called once, with the reason. The template ends with the
    thread that made it, which must be the loop's.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        env: Mapping[bytes, bytes],
        directory: Path,
        reported: Callable[[TemplateReport], None],
        ended: Callable[[str], None],
    ) -> None:
        self._ended = ended
        self._closing = False
        self._gone = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._process = _spawn(command, theirs, env, directory)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = Channel(ours, decode_to_backend, reported, self._finish)

    @property
    def pid(self) -> int:
        """The template's."""
        return self._process.pid

    def send_nowait(self, message: TemplateRequest, descriptors: Sequence[int] = ()) -> None:
        """Queue a request; the descriptors travel along and are closed here, whatever happens."""
        self._channel.send_nowait(frame(message), descriptors)

    def finish(self) -> None:
        """Have the template kill all containers and end; `ended` is called after its last report. Idempotent.

        One that takes longer than `CLOSE_TIMEOUT` seconds is killed.
        """
        if not self._closing:
            self._closing = True
            self._channel.finish()
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._process.kill)

    def kill(self) -> None:
        """End it now, whatever it is doing, with all that it has started; `ended` is called then. Idempotent."""
        self._closing = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """`finish`, and wait until it has ended. Idempotent."""
        self.finish()
        await self._gone.wait()

    def _finish(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if not self._closing:
            # It may have stopped to talk without ending. Its containers end with it.
            self._process.kill()
        # Does not block: a process closes its files in the last microseconds of its life, or was killed just now.
        code = self._process.wait()
        self._gone.set()
        self._ended(f"the template process {self.pid} {describe_exit(code)}")


def _spawn(
    command: Sequence[str], control: socket.socket, env: Mapping[bytes, bytes], directory: Path
) -> subprocess.Popen[bytes]:
    """A session of its own: Ctrl-C in a terminal goes to the process group of whoever runs there."""
    return subprocess.Popen(
        [*command, "--control", str(control.fileno()), "--parent", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=env,
        cwd=directory,
        pass_fds=[control.fileno()],
        start_new_session=True,
    )
