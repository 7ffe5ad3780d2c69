"""Containers as processes of this machine, forked from a warm template; each has its own session and directory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from motet.backends.base import NOT_STARTED, ContainerEnd, Launch, Reports, Stream
from motet.backends.nvml import find_gpus
from motet.backends.output_pipes import OutputPipes
from motet.backends.template_link import TemplateLink
from motet.errors import InternalError, ServiceError
from motet.model.gpu import FoundGpus
from motet.wire.template import Fork, Forked, Froze, Kill, TemplateReport, Thawed

ENTRY = "motet.runtime.container:main"


class Pipes(Protocol):
    """Where one container's output goes. `write_ends` (stdout, stderr) are for the container."""

    @property
    def write_ends(self) -> tuple[int, ...]: ...

    def drain(self) -> None:
        """Hand on what is there now."""

    def drain_and_close(self) -> None:
        """The same, for the last time."""


class _LiveContainer:
    """A container that has not been reported as ended."""

    __slots__ = ("directory", "pid", "pipes")

    def __init__(self, directory: Path, pipes: Pipes) -> None:
        self.directory = directory
        self.pipes = pipes
        self.pid: int | None = None


class ProcessBackend:
    """A `Backend` on this machine. A container starts in milliseconds, in a directory of its own that goes with it.

    `python` is the interpreter containers run (default: this one). `scratch` is where the backend makes its own
    directory (default: the system's temporary directory). `env` is the environment of the template: only what matters
    at import, containers get their launch's. `entry` is the seam for tests: "module:function" to run in a container.
    `left_behind` is a directory of this process's to delete if it is killed, and cannot do so itself.

    When this process ends in whatever way, also by SIGKILL, so do all containers and everything they started. Only what
    detached itself from its container (a daemon) can outlive a SIGKILL of the template itself.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        python: str | None = None,
        scratch: Path | None = None,
        entry: str = ENTRY,
        left_behind: Path | None = None,
    ) -> None:
        self._env = dict(env)
        self._python = python or sys.executable
        self._scratch_parent = scratch
        self._entry = entry
        self._left_behind = left_behind
        self._containers: dict[str, _LiveContainer] = {}
        self._link: TemplateLink | None = None
        self._served = False
        """The template has forked a container."""
        self._removals: set[asyncio.Future[None]] = set()
        self._closing = False
        self._closed = asyncio.Event()
        self._reports: Reports
        self._loop: asyncio.AbstractEventLoop
        self._scratch: Path | None = None
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        template = self._link.pid if self._link else None
        return f"ProcessBackend(python={self._python!r}, template={template}, containers={len(self._containers)})"

    async def open(self, reports: Reports) -> None:
        """Start the template; containers may be started at once, they wait for it. Raises `ServiceError`."""
        self._loop = asyncio.get_running_loop()
        self._reports = reports
        try:
            self._scratch = Path(tempfile.mkdtemp(prefix="motet-", dir=self._scratch_parent))
            self._link = self._start_template(self._scratch)
        except OSError as error:
            self._remove_scratch()
            raise ServiceError(f"no containers can run on this machine: {error}") from error

    def silence(self) -> None:
        """See `Backend`."""

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`. CUDA_VISIBLE_DEVICES in the template's environment restricts what is found."""
        return await asyncio.to_thread(find_gpus, self._env.get("CUDA_VISIBLE_DEVICES"))

    @property
    def template(self) -> int | None:
        """The pid of the template, while there is one."""
        return None if self._link is None else self._link.pid

    def start_nowait(self, launch: Launch, pipes: Pipes | None = None) -> None:
        """See `Backend`. `pipes`: what it writes to, instead of being reported."""
        if self._scratch is None or self._closing:
            raise InternalError(f"container {launch.container_id} cannot start: the backend is not open")
        if launch.container_id in self._containers:
            raise InternalError(f"container {launch.container_id} was started already")
        try:
            self._start(launch, self._scratch, pipes)
        except (OSError, ValueError) as error:
            for descriptor in () if pipes is None else pipes.write_ends:
                os.close(descriptor)
            ended = ContainerEnd(
                container_id=launch.container_id, code=NOT_STARTED, reason=f"could not be started: {error}"
            )
            self._loop.call_soon(self._reports.container_ended, ended)

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if container_id in self._containers and self._link is not None:
            self._link.send_nowait(Kill(container_id))

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if (container := self._containers.get(container_id)) is not None:
            container.pipes.drain()

    async def close(self) -> None:
        """See `Backend`. The template kills and reports the containers; their directories go last."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        if self._link is not None:
            await self._link.close()
        if self._removals:
            await asyncio.wait(self._removals)
        self._remove_scratch()
        self._closed.set()

    def _start_template(self, scratch: Path) -> TemplateLink:
        # A template that ended in order has removed it.
        scratch.mkdir(mode=0o700, exist_ok=True)
        # -P: a module in the current directory must not be taken for one of the standard library.
        command = [
            self._python,
            "-P",
            *(["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []),
            "-m",
            "motet.runtime.lifecycle.template",
            "--entry",
            self._entry,
            "--scratch",
            str(scratch),
            *(() if self._left_behind is None else ("--left-behind", str(self._left_behind))),
        ]
        return TemplateLink(
            command=command, env=self._env, directory=scratch, reported=self._reported, ended=self._template_ended
        )

    def _start(self, launch: Launch, scratch: Path, pipes: Pipes | None) -> None:
        if self._link is None:
            self._link = self._start_template(scratch)
        # A short name: sockets that are made below it may have no more than 107 characters.
        directory = scratch / str(next(self._numbers))
        request = Fork(
            launch.container_id,
            launch.address,
            launch.token,
            {os.fsencode(name): os.fsencode(value) for name, value in launch.env.items()},
            str(directory),
            launch.entry,
        )
        directory.mkdir()
        try:
            pipes = pipes or OutputPipes(self._loop, partial(self._output, launch.container_id))
        except OSError:
            directory.rmdir()
            raise
        self._containers[launch.container_id] = _LiveContainer(directory, pipes)
        self._link.send_nowait(request, pipes.write_ends)

    def _output(self, container_id: str, stream: Stream, data: bytes) -> None:
        self._reports.container_output(container_id, stream, data)

    def _reported(self, report: TemplateReport) -> None:
        if isinstance(report, Forked):
            self._served = True
            self._containers[report.container_id].pid = report.pid
        elif isinstance(report, Froze):
            self._reports.container_frozen(report.container_id)
        elif isinstance(report, Thawed):
            self._reports.container_thawed(report.container_id)
        else:
            self._finish(
                ContainerEnd(container_id=report.container_id, code=report.code, blameless=report.with_template)
            )

    def _finish(self, ended: ContainerEnd) -> None:
        container = self._containers[ended.container_id]
        container.pipes.drain_and_close()
        # Later than the output: a report that starts a container of that id again is none of ours to expect.
        del self._containers[ended.container_id]
        self._remove(container.directory)
        self._reports.container_ended(ended)

    def _template_ended(self, reason: str) -> None:
        """Containers die with the template, by the kernel's hand; what they started does not."""
        self._link = None
        why = "was killed when the backend closed" if self._closing else f"was lost because {reason}"
        lost = dict(self._containers)
        for container in lost.values():
            if container.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(container.pid, signal.SIGKILL)
        # A template that never forked is at fault itself, as when it cannot import its entry.
        blameless = self._served
        self._served = False
        for container_id in lost:
            self._finish(ContainerEnd(container_id=container_id, code=-signal.SIGKILL, reason=why, blameless=blameless))
        if not self._closing:
            self._reports.backend_lost(reason)

    def _remove(self, directory: Path) -> None:
        try:
            directory.rmdir()
        except OSError:
            # Not empty. A thread, because a user may leave gigabytes there.
            removal = self._loop.run_in_executor(None, partial(shutil.rmtree, directory, ignore_errors=True))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    def _remove_scratch(self) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None
