"""One OCI container with a template in it, which has one container of Motet's: nobody else is within its walls and limits.

It is started before its container is asked for, if it can be, and imports what containers need: a container then starts as fast
as a process. It ends with the connection to it, so that nothing outlives its backend, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from motet.backends.channel import Channel
from motet.backends.oci.memory_group import MemoryGroup
from motet.backends.oci.programs import EnginePrograms, RunCall
from motet.model.isolation import Limits, Mount
from motet.model.template import TemplateSpec
from motet.wire.template import Fork, Kill, TemplateReport, decode_to_backend, frame

WITHIN = "/run/motet-control"
"""Where the sockets to the backend are, in the container."""
RUNTIME = "/opt/motet"
"""Where Motet is there."""
OWNER = "motet.owner"
"""The label that says whose a container is."""

_START = f"{RUNTIME}/motet/runtime/lifecycle/oci_start.py"
_PATIENCE = 2.0
"""Seconds between the start of a container and the question whether it still runs, if it has not said anything."""
_SAID_BYTES = 4096
_PEER = struct.Struct("3i")


class OciTemplate:
    """Starts at once, on the running loop. `reported` gets each report; `ended` is called once, when it is gone.
    Raises `OSError` if it cannot be started."""

    def __init__(
        self,
        spec: TemplateSpec,
        limits: Limits,
        *,
        name: str,
        owner: str,
        directory: Path,
        programs: EnginePrograms,
        entry: str,
        reported: Callable[[OciTemplate, TemplateReport], None],
        ended: Callable[[OciTemplate, str], None],
    ) -> None:
        self.spec = spec
        self.limits = limits
        self.name = name
        self.directory = directory
        self.container_id: str | None = None
        """Of the container that it has, or is to have."""
        self.has_forked = False
        self.why_ended: str | None = None
        """None unless it was told to end."""
        self.memory: MemoryGroup | None = None
        self._programs = programs
        self._reported = reported
        self._tell_ended = ended
        self._loop = asyncio.get_running_loop()
        self._said = bytearray()
        self._channel: Channel[TemplateReport] | None = None
        self._errors: socket.socket | None = None
        self._process: int | None = None
        """A descriptor of its first process."""
        self._waiting: list[tuple[bytes, Sequence[int]]] = []
        self._is_over = False
        directory.mkdir(mode=0o755)
        # Nobody but this user gets into the directory above; within the container, its user may be another one.
        self._listening = {name: _listen(directory / name) for name in ("errors", "control")}
        self._loop.add_reader(self._listening["errors"].fileno(), self._accept_errors)
        self._loop.add_reader(self._listening["control"].fileno(), self._accept_control)
        call = RunCall(
            name=name,
            image=spec.image,
            command=[spec.python or "python3", "-P", _START, WITHIN, entry],
            mounts=[*spec.walls.mounts, Mount(source=str(directory), target=WITHIN)],
            walls=spec.walls,
            limits=limits,
            labels={OWNER: owner},
            with_entrypoint=spec.with_entrypoint,
        )
        self._running = self._loop.create_task(self._run(programs.run(call)))

    def __repr__(self) -> str:
        return f"OciTemplate({self.name}, image={self.spec.image!r}, container={self.container_id})"

    @property
    def is_free(self) -> bool:
        """Whether a container may be started in it."""
        return self.container_id is None and not self._is_over and self.why_ended is None

    def fork_nowait(self, request: Fork, descriptors: Sequence[int]) -> None:
        """Have it start its container, as soon as it can. The descriptors travel along and are closed here, however it ends."""
        self.container_id = request.container_id
        if self._channel is None:
            self._waiting.append((frame(request), descriptors))
        else:
            self._channel.send_nowait(frame(request), descriptors)

    def kill_nowait(self, why: str | None = None) -> None:
        """End it with all that runs in it, without warning; `ended` follows. Idempotent."""
        if why is not None and self.why_ended is None:
            self.why_ended = why
        self._drop_waiting()
        if self._process is not None:
            # The first process of a container: the kernel ends all others with it.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
        elif self._channel is not None:
            self._channel.send_nowait(frame(Kill(self.container_id or "")))
            self._channel.finish()

    async def wait_gone(self) -> None:
        """Until no program of this machine works on its start."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    async def _run(self, command: Sequence[str]) -> None:
        """Start the container, and find out what became of it if it does not say so itself."""
        code, said = await _done(command)
        if code:
            self._finish(f"{self._programs.engine} could not start it: {_last(said) or f'it ended with status {code}'}")
        elif self.why_ended is not None and self._channel is None:
            await _done(self._programs.kill([self.name]))
            self._finish(self.why_ended)
        else:
            await asyncio.sleep(_PATIENCE)
            if self._channel is None and not self._is_over:
                await _done(self._programs.wait(self.name))
                if self._channel is None:
                    self._finish(f"it ended before it was ready: {_last(self._said.decode(errors='replace'))}")

    def _accept_errors(self) -> None:
        self._errors = self._accept("errors")
        self._errors.setblocking(False)
        self._loop.add_reader(self._errors.fileno(), self._read_errors)

    def _read_errors(self) -> None:
        assert self._errors is not None
        with contextlib.suppress(BlockingIOError):
            try:
                data = self._errors.recv(65536)
            except OSError:
                data = b""
            self._said += data
            del self._said[:-_SAID_BYTES]
            if not data:
                self._loop.remove_reader(self._errors.fileno())
                self._errors.close()
                self._errors = None
                if self._channel is None:
                    self._finish(f"it ended before it was ready: {_last(self._said.decode(errors='replace'))}")

    def _accept_control(self) -> None:
        connection = self._accept("control")
        pid, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        self._know(pid)
        self._channel = Channel(connection, decode_to_backend, self._report, self._lost)
        if self.why_ended is not None:
            self.kill_nowait()
        for data, descriptors in self._waiting:
            self._channel.send_nowait(data, descriptors)
        self._waiting.clear()

    def _know(self, pid: int) -> None:
        """Its first process, as this machine numbers it; 0 where that is another machine's."""
        if pid > 0:
            with contextlib.suppress(OSError):
                self._process = os.pidfd_open(pid)
                self.memory = MemoryGroup.of(pid)

    def _accept(self, name: str) -> socket.socket:
        """One connection; there is never a second one."""
        listening = self._listening.pop(name)
        self._loop.remove_reader(listening.fileno())
        try:
            connection, _ = listening.accept()
        finally:
            listening.close()
        return connection

    def _report(self, report: TemplateReport) -> None:
        self._reported(self, report)

    def _lost(self) -> None:
        if self._process is not None:
            # It may have stopped to talk without ending.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
        said = _last(self._said.decode(errors="replace"))
        self._finish(f"its template ended{f': {said}' if said else ''}")

    def _finish(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._drop_waiting()
        for listening in self._listening.values():
            self._loop.remove_reader(listening.fileno())
            listening.close()
        self._listening.clear()
        if self._errors is not None:
            self._loop.remove_reader(self._errors.fileno())
            self._errors.close()
            self._errors = None
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            os.close(self._process)
            self._process = None
        self._tell_ended(self, self.why_ended or reason)

    def _drop_waiting(self) -> None:
        for _, descriptors in self._waiting:
            for descriptor in descriptors:
                os.close(descriptor)
        self._waiting.clear()


def _listen(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(0o666)
        listening.listen(1)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


async def _done(command: Sequence[str]) -> tuple[int, str]:
    """A program's status, and what it has written."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    written, _ = await process.communicate()
    return process.returncode or 0, written.decode(errors="replace")


def _last(text: str) -> str:
    """What a program says last is what went wrong."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-5:])
