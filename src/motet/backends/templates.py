"""The templates of one backend: each is started when it is first needed, and ended when nobody has needed it for a while."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from motet.backends.template_link import TemplateLink
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.wire.template import TemplateReport

IDLE_WINDOW = 300.0
"""Seconds without a container, after which a template is ended. The plain one stays: nothing starts without it."""


class LiveTemplate:
    """One template process. `directory` is for its containers' directories; `containers` are those that it has forked, or has
    been asked to fork, and that have not been reported as ended."""

    __slots__ = ("containers", "directory", "has_forked", "idle", "link", "spec", "why_ended")

    link: TemplateLink

    def __init__(self, spec: TemplateSpec, directory: Path) -> None:
        self.spec = spec
        self.directory = directory
        self.containers: set[str] = set()
        self.has_forked = False
        self.why_ended: str | None = None
        """None unless it was told to end."""
        self.idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """Of its process."""
        return self.link.pid


class Templates:
    """Starts and ends them in `scratch`, a directory of their own. `reported` is called with each report of one, and `ended`
    once for each whose process has ended, with the reason. The other arguments are those of `ProcessBackend`."""

    def __init__(
        self,
        scratch: Path,
        *,
        env: Mapping[str, str],
        python: str,
        entry: str,
        left_behind: Path | None,
        reported: Callable[[LiveTemplate, TemplateReport], None],
        ended: Callable[[LiveTemplate, str], None],
    ) -> None:
        self._scratch = scratch
        self._env = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
        self._python = python
        self._entry = entry
        self._left_behind = left_behind
        self._reported = reported
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._current: dict[TemplateSpec, LiveTemplate] = {}
        self._alive: set[LiveTemplate] = set()
        """With those that end just now."""
        self._numbers = itertools.count(1)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of their processes, those that end just now included."""
        return tuple(template.pid for template in self._alive)

    def get(self, spec: TemplateSpec) -> LiveTemplate:
        """The template of this kind, which forks once it is ready. Raises `OSError` if it cannot be started."""
        template = self._current.get(spec)
        if template is None:
            template = self._current[spec] = self._start(spec)
        return template

    def add(self, template: LiveTemplate, container_id: str) -> None:
        """It is to fork this container."""
        template.containers.add(container_id)
        if template.idle is not None:
            template.idle.cancel()
            template.idle = None

    def discard(self, template: LiveTemplate, container_id: str) -> None:
        """This container has ended."""
        template.containers.discard(container_id)
        if not template.containers and template in self._alive and template.why_ended is None:
            self._await_use(template)

    async def close(self) -> None:
        """Have all end with their containers; all their reports come before this returns."""
        if self._alive:
            await asyncio.gather(*(template.link.close() for template in self._alive))

    def _start(self, spec: TemplateSpec) -> LiveTemplate:
        # A short name: sockets that are made below it may have no more than 107 characters.
        template = LiveTemplate(spec, self._scratch / str(next(self._numbers)))
        template.directory.mkdir(mode=0o700, parents=True)
        try:
            template.link = TemplateLink(
                command=self._command(template),
                env={**self._env, **dict(spec.env)},
                directory=template.directory,
                reported=partial(self._reported, template),
                ended=partial(self._has_ended, template),
            )
        except OSError:
            template.directory.rmdir()
            raise
        self._alive.add(template)
        self._await_use(template)
        return template

    def _command(self, template: LiveTemplate) -> list[str]:
        # -P: a module in the current directory must not be taken for one of the standard library.
        return [
            template.spec.python or self._python,
            "-P",
            *(["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []),
            "-m",
            "motet.runtime.lifecycle.template",
            "--entry",
            self._entry,
            "--scratch",
            str(template.directory),
            *(() if self._left_behind is None else ("--left-behind", str(self._left_behind))),
        ]

    def _await_use(self, template: LiveTemplate) -> None:
        if template.spec != PLAIN_TEMPLATE:
            template.idle = self._loop.call_later(IDLE_WINDOW, self._end, template)

    def _end(self, template: LiveTemplate) -> None:
        """Nobody needs it. Whoever does from now on has another one started."""
        template.why_ended = f"the template process {template.pid} ended: it had no container for {IDLE_WINDOW:g} s"
        del self._current[template.spec]
        template.link.finish()

    def _has_ended(self, template: LiveTemplate, reason: str) -> None:
        self._alive.discard(template)
        if template.idle is not None:
            template.idle.cancel()
        if self._current.get(template.spec) is template:
            del self._current[template.spec]
        self._ended(template, reason)
