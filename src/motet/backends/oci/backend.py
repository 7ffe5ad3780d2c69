"""Containers in OCI images: each has an OCI container to itself, started ahead of it where that is worth it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from motet.backends.base import NOT_STARTED, ContainerEnd, Launch, Reports, Stream, TemplateEnd, encoded_env, used_more
from motet.backends.oci.leftovers import end_leftovers, owner_of_this_process
from motet.backends.oci.programs import EnginePrograms, find_programs
from motet.backends.oci.template import OciTemplate
from motet.backends.output_pipes import OutputPipes, Pipes
from motet.backends.starting import start_or_report
from motet.backends.template_link import ENTRY, file_with
from motet.errors import ServiceError
from motet.model.isolation import Limits
from motet.model.template import TemplateSpec
from motet.wire.template import Confided, Exited, Fork, Forked, Froze, TemplateReport, Thawed, encode_confided

DIRECTORY = "/tmp"
"""Where containers begin: what they leave there goes with them."""
SPARE_WINDOW = 300.0
"""Seconds for which an OCI container is kept ready after the last container of its kind has ended."""

_Kind = tuple[TemplateSpec, Limits]


class _InImage:
    """One that has not been reported as ended."""

    __slots__ = ("pipes", "template")

    def __init__(self, template: OciTemplate, pipes: Pipes) -> None:
        self.template = template
        self.pipes = pipes


class OciBackend:
    """The part of a `Backend` on this machine that serves launches whose template names an image that the engine has.

    Of each kind of container that is in use, one more is ready than there are, so that the next one starts as fast as a
    process. The first one, and several at once, take as long as the engine does. `env`, `scratch` and `entry` as for
    `ProcessBackend`; `programs`: those of this machine, for tests.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        scratch: Path | None = None,
        entry: str = ENTRY,
        programs: Callable[[], EnginePrograms] | None = None,
    ) -> None:
        self._find = programs or partial(find_programs, dict(env))
        self._scratch_parent = scratch
        self._entry = entry
        self._programs: EnginePrograms | None = None
        self._containers: dict[str, _InImage] = {}
        self._spares: dict[_Kind, list[OciTemplate]] = {}
        self._alive: set[OciTemplate] = set()
        self._in_use: dict[_Kind, int] = {}
        self._windows: dict[_Kind, asyncio.TimerHandle] = {}
        self._owner = owner_of_this_process()
        self._closing = False
        self._closed = asyncio.Event()
        self._reports: Reports
        self._loop: asyncio.AbstractEventLoop
        self._scratch: Path | None = None
        self._numbers = itertools.count(1)
        self._leftovers: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"OciBackend(templates={len(self._alive)}, containers={len(self._containers)})"

    async def open(self, reports: Reports) -> None:
        """See `Backend`. Nothing is started before a container is."""
        self._loop = asyncio.get_running_loop()
        self._reports = reports

    def start_nowait(self, launch: Launch, pipes: Pipes | None = None) -> None:
        """See `Backend`. `pipes`: what it writes to, instead of being reported."""
        start_or_report(
            partial(self._start, launch, pipes),
            launch.container_id,
            pipes,
            known=self._containers,
            is_open=not self._closing,
            report_soon=self._end_soon,
        )

    def _end_soon(self, ended: ContainerEnd) -> None:
        self._loop.call_soon(self._reports.container_ended, ended)

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if (container := self._containers.get(container_id)) is not None:
            container.template.kill_nowait(f"container {container_id} was killed")

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if (container := self._containers.get(container_id)) is not None:
            container.pipes.drain()

    async def close(self) -> None:
        """See `Backend`."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        for window in self._windows.values():
            window.cancel()
        if self._leftovers is not None:
            self._leftovers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._leftovers
        templates = list(self._alive)
        for template in templates:
            template.kill_nowait("the backend closed")
        await asyncio.gather(*(template.wait_gone() for template in templates))
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._closed.set()

    # --- starting -----------------------------------------------------------------------------------------------------

    def _start(self, launch: Launch, pipes: Pipes | None) -> None:
        kind = (launch.template, launch.limits)
        template = self._taken(kind)
        # What the image says of its environment, and on top of it what the function does.
        env = {**dict(launch.template.env), **encoded_env(launch.env)}
        confided = file_with(encode_confided(Confided(launch.token, env)))
        try:
            pipes = pipes or OutputPipes(self._loop, partial(self._output, launch.container_id))
        except OSError:
            os.close(confided)
            raise
        self._containers[launch.container_id] = _InImage(template, pipes)
        request = Fork(launch.container_id, launch.address, "", {}, DIRECTORY, entry=launch.entry)
        template.fork_nowait(request, (*pipes.write_ends, confided))
        self._in_use[kind] = self._in_use.get(kind, 0) + 1
        if (window := self._windows.pop(kind, None)) is not None:
            window.cancel()

    def _taken(self, kind: _Kind) -> OciTemplate:
        spares = self._spares.setdefault(kind, [])
        template = next((spare for spare in spares if spare.is_free), None)
        if template is None:
            return self._made(kind)
        spares.remove(template)
        return template

    def _made(self, kind: _Kind) -> OciTemplate:
        if self._programs is None:
            self._programs = self._find()
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="motet-oci-", dir=self._scratch_parent))
            self._leftovers = self._loop.create_task(end_leftovers(self._programs, self._owner))
        number = next(self._numbers)
        spec, limits = kind
        template = OciTemplate(
            spec,
            limits,
            name=f"motet-{self._owner.replace(':', '-')}-{number}",
            owner=self._owner,
            directory=self._scratch / str(number),
            programs=self._programs,
            entry=self._entry,
            reported=self._reported,
            ended=self._template_ended,
        )
        self._alive.add(template)
        return template

    def _have_a_spare(self, kind: _Kind) -> None:
        """The next container of a kind that is in use is to find one that is ready."""
        spares = self._spares.setdefault(kind, [])
        if not self._closing and not spares and self._in_use.get(kind):
            # The next start finds out what is wrong, and says so.
            with contextlib.suppress(OSError, ServiceError):
                spares.append(self._made(kind))

    # --- reports ------------------------------------------------------------------------------------------------------

    def _output(self, container_id: str, stream: Stream, data: bytes) -> None:
        self._reports.container_output(container_id, stream, data)

    def _reported(self, template: OciTemplate, report: TemplateReport) -> None:
        match report:
            case Forked():
                template.has_forked = True
                self._have_a_spare((template.spec, template.limits))
            case Froze():
                self._reports.container_frozen(report.container_id)
            case Thawed():
                self._reports.container_thawed(report.container_id)
            case Exited():
                self._finish(template, report.code, None)
                template.kill_nowait("its container ended")

    def _finish(self, template: OciTemplate, code: int, reason: str | None, *, blameless: bool = False) -> None:
        container_id = template.container_id
        container = None if container_id is None else self._containers.get(container_id)
        if container_id is None or container is None or container.template is not template:
            return
        limit = template.limits.memory
        if code == -signal.SIGKILL and limit is not None and template.memory is not None and template.memory.ran_out:
            reason, blameless = used_more(limit, "memory"), False
        container.pipes.drain_and_close()
        del self._containers[container_id]
        kind = (template.spec, template.limits)
        self._in_use[kind] -= 1
        if not self._in_use[kind]:
            del self._in_use[kind]
            if not self._closing:
                self._windows[kind] = self._loop.call_later(SPARE_WINDOW, self._let_go, kind)
        self._reports.container_ended(
            ContainerEnd(container_id=container_id, code=code, reason=reason, blameless=blameless)
        )

    def _let_go(self, kind: _Kind) -> None:
        """Nobody has needed containers of this kind for a while."""
        self._windows.pop(kind, None)
        for spare in self._spares.pop(kind, ()):
            spare.kill_nowait(f"nobody has needed it for {SPARE_WINDOW:g} s")

    def _template_ended(self, template: OciTemplate, reason: str) -> None:
        self._alive.discard(template)
        spares = self._spares.get((template.spec, template.limits), [])
        if template in spares:
            spares.remove(template)
        was_told = template.why_ended is not None
        if self._closing:
            self._finish(template, -signal.SIGKILL, "was killed when the backend closed")
        elif was_told:
            self._finish(template, -signal.SIGKILL, None)
        elif template.has_forked:
            self._finish(template, -signal.SIGKILL, f"was lost because {reason}")
        else:
            self._finish(template, NOT_STARTED, f"could not be started: {reason}")
        directory = template.directory
        self._loop.run_in_executor(None, partial(shutil.rmtree, directory, ignore_errors=True))
        if not was_told and not self._closing:
            self._reports.template_ended(TemplateEnd(pid=0, reason=f"{template.name}: {reason}", is_lost=True))
