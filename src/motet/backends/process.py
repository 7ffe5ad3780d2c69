"""Containers as processes of this machine, forked from warm templates; each has its own session and directory."""

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
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from motet.backends.base import NOT_STARTED, ContainerEnd, Launch, Reports, Stream, TemplateEnd, encoded_env
from motet.backends.nvml import find_gpus
from motet.backends.output_pipes import OutputPipes, Pipes
from motet.backends.spares import Kind, SpareKeeper, make_directory
from motet.backends.starting import start_or_report
from motet.backends.template_link import ENTRY, file_with
from motet.backends.templates import LiveTemplate, Templates
from motet.backends.walls.levels import lacking
from motet.backends.walls.limit_keeper import LimitKeeper
from motet.backends.walls.runtime_alone import runtime_without_environment
from motet.errors import ServiceError
from motet.model.gpu import FoundGpus
from motet.model.isolation import NO_LIMITS, Isolation
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.wire.template import (
    CannotFork,
    Confided,
    Fork,
    Forked,
    Froze,
    Kill,
    TemplateReady,
    TemplateReport,
    Thawed,
    encode_confided,
)


class _LiveContainer:
    """A container that has not been reported as ended. `directory`: None while its template has not been asked to fork it."""

    __slots__ = ("directory", "is_killed", "launch", "pid", "pipes", "template")

    def __init__(self, launch: Launch, template: LiveTemplate, pipes: Pipes) -> None:
        self.launch = launch
        self.template = template
        self.pipes = pipes
        self.directory: Path | None = None
        self.pid: int | None = None
        self.is_killed = False


class ProcessBackend:
    """A `Backend` on this machine. A container starts in milliseconds, in a directory of its own that goes with it.

    `python` is the interpreter containers run (default: this one). `scratch` is where the backend makes its own
    directory (default: the system's temporary directory). `env` is the environment of templates: only what matters
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
        self._templates: Templates | None = None
        self._removals: set[asyncio.Future[None]] = set()
        self._closing = False
        self._closed = asyncio.Event()
        self._reports: Reports
        self._loop: asyncio.AbstractEventLoop
        self._scratch: Path | None = None
        self._numbers = itertools.count(1)
        self._limits = LimitKeeper(self.kill_nowait)
        self._spares = SpareKeeper(self._limits)

    def __repr__(self) -> str:
        return (
            f"ProcessBackend(python={self._python!r}, templates={self.templates}, containers={len(self._containers)})"
        )

    async def open(self, reports: Reports) -> None:
        """Start the plain template; containers may be started at once, they wait for it. Raises `ServiceError`."""
        self._loop = asyncio.get_running_loop()
        self._reports = reports
        try:
            self._scratch = Path(tempfile.mkdtemp(prefix="motet-", dir=self._scratch_parent))
            self._templates = Templates(
                self._scratch,
                env=self._env,
                python=self._python,
                entry=self._entry,
                left_behind=self._left_behind,
                reported=self._reported,
                ended=self._template_ended,
            )
            self._templates.get(PLAIN_TEMPLATE)
        except OSError as error:
            self._remove_scratch()
            raise ServiceError(f"no containers can run on this machine: {error}") from error

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`."""
        return lacking(isolation)

    def silence(self) -> None:
        """See `Backend`."""

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`. CUDA_VISIBLE_DEVICES in the template's environment restricts what is found."""
        return await asyncio.to_thread(find_gpus, self._env.get("CUDA_VISIBLE_DEVICES"))

    @property
    def templates(self) -> tuple[int, ...]:
        """The pids of the templates that there are now."""
        return () if self._templates is None else self._templates.pids

    def start_nowait(self, launch: Launch, pipes: Pipes | None = None) -> None:
        """See `Backend`. `pipes`: what it writes to, instead of being reported."""
        start_or_report(
            partial(self._start, launch, pipes),
            launch.container_id,
            pipes,
            known=self._containers,
            is_open=self._templates is not None and not self._closing,
            report_soon=self._end_soon,
        )

    def _end_soon(self, ended: ContainerEnd) -> None:
        self._loop.call_soon(self._reports.container_ended, ended)

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        container = self._containers.get(container_id)
        if container is None or container.is_killed:
            return
        if container.directory is not None:
            container.template.link.send_nowait(Kill(container_id))
        else:  # its template imports, and reads nothing meanwhile
            container.is_killed = True
            self._loop.call_soon(self._end_waiting, container_id, -signal.SIGKILL)

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if (container := self._containers.get(container_id)) is not None:
            container.pipes.drain()

    async def close(self) -> None:
        """See `Backend`. Templates kill and report the containers; their directories go last."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        if self._templates is not None:
            await self._templates.close()
        self._spares.close()
        self._limits.close()
        if self._removals:
            await asyncio.wait(self._removals)
        self._remove_scratch()
        self._closed.set()

    def _start(self, launch: Launch, pipes: Pipes | None) -> None:
        assert self._templates is not None
        templates = self._templates
        template = templates.get(_forked_from(launch))
        asked = self._request(launch, template) if template.is_ready else None
        try:
            pipes = pipes or OutputPipes(self._loop, partial(self._output, launch.container_id))
            if os.geteuid() == 0 and (uid := launch.template.walls.uid) is not None:
                for end in pipes.write_ends:  # programs open them anew, as /dev/stdout
                    os.fchown(end, uid, uid)
        except OSError:
            if asked is not None:
                self._withdraw(*asked)
            raise
        container = self._containers[launch.container_id] = _LiveContainer(launch, template, pipes)
        templates.add(template, launch.container_id)
        if asked is not None:
            self._fork(container, *asked)
        else:
            templates.prepare(template, pipes.write_ends)

    def _request(self, launch: Launch, template: LiveTemplate) -> tuple[Fork, int]:
        """What a template is asked for, and a descriptor of what is confided to the container. Raises `OSError`."""
        env = encoded_env(launch.env)
        confided = file_with(encode_confided(Confided(launch.token, env)))
        walls = launch.template.walls
        spare = self._spares.take(Kind(template, walls, launch.limits))
        directory = template.directory / str(next(self._numbers)) if spare is None else spare.directory
        request = Fork(
            *(launch.container_id, launch.address, "", {}, str(directory)),
            *(launch.limits, launch.entry, walls),
            python="" if template.spec.python else launch.template.python,
            spare=0 if spare is None else spare.number,
        )
        try:
            if spare is None:
                make_directory(directory, walls)
            joins = self._limits.admit(
                launch.container_id, directory, launch.limits, None if spare is None else spare.name
            )
        except OSError:
            self._withdraw(request, confided)
            raise
        return msgspec.structs.replace(request, joins=joins), confided

    def _withdraw(self, request: Fork, confided: int) -> None:
        os.close(confided)
        self._limits.ended(request.container_id)
        with contextlib.suppress(OSError):
            os.rmdir(request.directory)

    def _fork(self, container: _LiveContainer, request: Fork, confided: int) -> None:
        container.directory = Path(request.directory)
        container.template.link.send_nowait(request, (*container.pipes.write_ends, confided))
        self._spares.has_started(Kind(container.template, request.walls, request.limits))

    def _fork_waiting(self, template: LiveTemplate, before: LiveTemplate) -> None:
        """What one template was to fork is forked from this one, which is ready, and may be the same."""
        assert self._templates is not None
        for container_id in list(before.containers):
            container = self._containers[container_id]
            if container.is_killed:
                continue
            container.template = template
            self._templates.add(template, container_id)
            try:
                self._fork(container, *self._request(container.launch, template))
            except (OSError, ValueError) as error:
                self._loop.call_soon(self._end_waiting, container_id, NOT_STARTED, f"could not be started: {error}")
            if template is not before:
                self._templates.discard(before, container_id)

    def _end_waiting(self, container_id: str, code: int, reason: str | None = None) -> None:
        if container_id in self._containers:
            self._finish(ContainerEnd(container_id=container_id, code=code, reason=reason))

    def _output(self, container_id: str, stream: Stream, data: bytes) -> None:
        self._reports.container_output(container_id, stream, data)

    def _reported(self, template: LiveTemplate, report: TemplateReport) -> None:
        assert self._templates is not None
        if self._closing and isinstance(report, TemplateReady | CannotFork):
            return  # it is being killed
        if isinstance(report, TemplateReady):
            template.is_ready = True
            if report.failed:  # for those that wait for it; whoever starts later tries again
                self._templates.retire(template)
            self._fork_waiting(template, template)
        elif isinstance(report, CannotFork):
            self._templates.refuse(template.spec)
            self._start_elsewhere(template)
        elif isinstance(report, Forked):
            template.has_forked = True
            self._containers[report.container_id].pid = report.pid
            self._limits.started(report.container_id, report.pid)
        elif isinstance(report, Froze):
            self._reports.container_frozen(report.container_id)
        elif isinstance(report, Thawed):
            self._reports.container_thawed(report.container_id)
        else:
            self._finish(
                ContainerEnd(container_id=report.container_id, code=report.code, blameless=report.with_template)
            )

    def _start_elsewhere(self, template: LiveTemplate) -> None:
        """Nothing can be forked from what a template has imported."""
        assert self._templates is not None
        self._templates.retire(template)
        try:
            self._fork_waiting(self._templates.get(template.spec.without_preload().outside), template)
        except OSError as error:
            for container_id in list(template.containers):
                self._end_waiting(container_id, NOT_STARTED, f"could not be started: {error}")

    def _finish(self, ended: ContainerEnd) -> None:
        container = self._containers[ended.container_id]
        container.pipes.drain_and_close()
        if container.directory is None:  # nobody was given these
            for descriptor in container.pipes.write_ends:
                os.close(descriptor)
        if (went_over := self._limits.ended(ended.container_id)) is not None:
            ended = replace(ended, reason=went_over)
        # Later than the output: a report that starts a container of that id again is none of ours to expect.
        del self._containers[ended.container_id]
        if self._templates is not None:
            self._templates.discard(container.template, ended.container_id)
        if container.directory is not None:
            self._remove(container.directory)
        self._reports.container_ended(ended)

    def _template_ended(self, template: LiveTemplate, reason: str) -> None:
        """Containers die with their template, by the kernel's hand; what they started does not."""
        why = "was killed when the backend closed" if self._closing else f"was lost because {reason}"
        self._spares.forget(template)
        lost = list(template.containers)
        for container_id in lost:
            if (pid := self._containers[container_id].pid) is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        # A template that never forked is at fault itself, as when it cannot import its entry.
        blameless = template.has_forked
        for container_id in lost:
            self._finish(ContainerEnd(container_id=container_id, code=-signal.SIGKILL, reason=why, blameless=blameless))
        self._remove(template.directory)
        if not self._closing:
            self._reports.template_ended(
                TemplateEnd(pid=template.pid, reason=template.why_ended or reason, is_lost=template.why_ended is None)
            )

    def _remove(self, directory: Path) -> None:
        try:
            directory.rmdir()
        except FileNotFoundError:
            return  # a template that ends in order has removed it
        except OSError:
            # Not empty. A thread, because a user may leave gigabytes there.
            removal = self._loop.run_in_executor(None, partial(shutil.rmtree, directory, ignore_errors=True))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)

    def _remove_scratch(self) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


def _forked_from(launch: Launch) -> TemplateSpec:
    spec = launch.template
    if spec.walls.own_user is not None and launch.limits != NO_LIMITS:
        # A template that has imported something is that user, who may not put anything into control groups.
        spec = spec.without_preload()
    if spec.python and (spec.walls.isolation == "bubblewrap" or spec.walls.own_user is not None):
        # Its environment's packages may run code when it starts: that is to be within the walls.
        if not (runtime := runtime_without_environment(spec.python)):
            return PLAIN_TEMPLATE
        spec = msgspec.structs.replace(spec, runtime=runtime)
    return spec.outside
