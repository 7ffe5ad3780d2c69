"""A template process and the socket to it: requests are queued, never waited for; its reports come as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import subprocess
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from motet.backends.base import describe_exit
from motet.errors import ConnectionError
from motet.wire.framing import FrameReader
from motet.wire.template import Fork, Kill, TemplateReport, decode_to_backend, frame

CLOSE_TIMEOUT = 10.0


class _QueuedFrame:
    """A frame on its way, and the descriptors that leave with its first byte and are closed here then."""

    __slots__ = ("_descriptors", "_rest")

    def __init__(self, data: bytes, descriptors: Sequence[int]) -> None:
        self._rest = memoryview(data)
        self._descriptors = descriptors

    def send(self, control: socket.socket) -> bool:
        """Send what fits; True when all has left. Raises what `socket.sendmsg` raises."""
        if self._descriptors:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", self._descriptors))]
            sent = control.sendmsg([self._rest], ancillary, socket.MSG_NOSIGNAL)
            self.close()
        else:
            sent = control.send(self._rest, socket.MSG_NOSIGNAL)
        self._rest = self._rest[sent:]
        return not self._rest

    def close(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = ()


class TemplateLink:
    """Starts a template on construction; `OSError` if that fails. Requests may follow at once: they wait in the socket.

    `reported` gets each of its reports, and finally `ended` is called once, with the reason. The template ends with the
    thread that made it, which must be the loop's.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        env: Mapping[str, str],
        directory: Path,
        reported: Callable[[TemplateReport], None],
        ended: Callable[[str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reported = reported
        self._ended = ended
        self._reader = FrameReader()
        self._requests: deque[_QueuedFrame] = deque()
        self._closing = False
        self._gone = asyncio.Event()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._process = _spawn(command, theirs, env, directory)
        except OSError:
            self._control.close()
            raise
        finally:
            theirs.close()
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._receive)

    @property
    def pid(self) -> int:
        """The template's."""
        return self._process.pid

    def send_nowait(self, message: Fork | Kill, descriptors: Sequence[int] = ()) -> None:
        """Queue a request; the descriptors travel along and are closed here, whatever happens."""
        self._requests.append(_QueuedFrame(frame(message), descriptors))
        if len(self._requests) == 1:
            self._send()

    async def close(self) -> None:
        """Have the template kill all containers and end; all its reports come before this returns. Idempotent.

        One that takes longer than `CLOSE_TIMEOUT` seconds is killed.
        """
        self._closing = True
        self._drop_requests()
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        try:
            await asyncio.wait_for(self._gone.wait(), CLOSE_TIMEOUT)
        except TimeoutError:
            self._process.kill()
            await self._gone.wait()

    def _send(self) -> None:
        try:
            while self._requests and self._requests[0].send(self._control):
                self._requests.popleft()
        except BlockingIOError:
            pass
        except OSError as error:
            # ETOOMANYREFS: the kernel's limit of descriptors under way, which the template takes out as it reads.
            if error.errno != errno.ETOOMANYREFS:
                # It has ended; reading the socket tells so. There is nobody to send to.
                self._drop_requests()
        if self._requests:
            self._loop.add_writer(self._control.fileno(), self._send)
        else:
            self._loop.remove_writer(self._control.fileno())

    def _receive(self) -> None:
        try:
            count = self._control.recv_into(self._reader.buffer())
            reports = [decode_to_backend(report) for report in self._reader.received(count)]
        except BlockingIOError:
            return
        except (OSError, ConnectionError, msgspec.MsgspecError):
            count, reports = 0, []
        for report in reports:
            self._reported(report)
        if not count:
            self._finish()

    def _finish(self) -> None:
        self._drop_requests()
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        if not self._closing:
            # It may have stopped to talk without ending. Its containers end with it.
            self._process.kill()
        # Does not block: a process closes its files in the last microseconds of its life, or was killed just now.
        code = self._process.wait()
        self._gone.set()
        self._ended(f"the template process {self.pid} {describe_exit(code)}")

    def _drop_requests(self) -> None:
        for request in self._requests:
            request.close()
        self._requests.clear()
        self._loop.remove_writer(self._control.fileno())


def _spawn(
    command: Sequence[str], control: socket.socket, env: Mapping[str, str], directory: Path
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
