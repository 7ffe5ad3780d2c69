"""The templates of one backend: each is started when it is first needed, and ended when nobody has needed it for a while."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from motet.backends.base import encoded_env
from motet.backends.template_link import TemplateLink
from motet.model.template import PLAIN_TEMPLATE, TemplateSpec
from motet.wire.template import Prepare, TemplateReport

IDLE_WINDOW = 300.0
"""Seconds without a container, after which a template is ended. The plain one stays: nothing starts without it."""

MOST_PREPARED = 16
"""Templates that have imported something. Each holds the memory of that; beyond this containers import by themselves."""
_MOST_REFUSED = 1000
"""Kinds of which it is remembered that they cannot be prepared."""

logger = logging.getLogger("motet.server")


class LiveTemplate:
    """One template process. `directory` is for its containers' directories; `containers` are those that it has forked, or is
    to fork, and that have not been reported as ended."""

    __slots__ = (
        "containers",
        "directory",
        "has_forked",
        "idle",
        "is_asked",
        "is_ready",
        "link",
        "spec",
        "used",
        "why_ended",
    )

    link: TemplateLink

    def __init__(self, spec: TemplateSpec, directory: Path) -> None:
        self.spec = spec
        self.directory = directory
        self.containers: dict[str, None] = {}
        """In the order of their starts."""
        self.has_forked = False
        self.is_ready = not spec.preload
        """It may be asked to fork: there is nothing to import before, or that has been done."""
        self.is_asked = False
        """It was asked to import."""
        self.used = 0
        """A higher one was used later."""
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
        self._env = encoded_env(env)
        self._python = python
        self._entry = entry
        self._left_behind = left_behind
        self._reported = reported
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._current: dict[TemplateSpec, LiveTemplate] = {}
        self._alive: set[LiveTemplate] = set()
        """With those that end just now."""
        self._refused: dict[TemplateSpec, None] = {}
        self._numbers = itertools.count(1)
        self._uses = itertools.count(1)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of their processes, those that end just now included."""
        return tuple(template.pid for template in self._alive)

    def get(self, spec: TemplateSpec) -> LiveTemplate:
        """The template of this kind, which forks once it is ready; one that has imported nothing, if there are too many of the
        others, or it cannot be had. Raises `OSError` if it cannot be started."""
        template = self._current.get(spec)
        if template is None:
            if spec.preload and (spec in self._refused or not self._has_room()):
                return self.get(spec.without_preload().outside)
            template = self._current[spec] = self._start(spec)
        return template

    def prepare(self, template: LiveTemplate, write_ends: Sequence[int]) -> None:
        """Have it import what it is to, unless it was asked before. What is written meanwhile goes to (copies of) these."""
        if not template.is_asked:
            template.is_asked = True
            ends: list[int] = []
            with contextlib.suppress(OSError):  # none are left: what is written is lost, and nothing else
                ends += (os.dup(descriptor) for descriptor in write_ends)
            template.link.send_nowait(Prepare(template.spec.preload, template.spec.walls), ends)

    def refuse(self, spec: TemplateSpec) -> None:
        """This kind cannot be had: what was imported does not survive a fork."""
        self._refused[spec] = None
        if len(self._refused) > _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]

    def add(self, template: LiveTemplate, container_id: str) -> None:
        """It is to fork this container."""
        template.containers[container_id] = None
        template.used = next(self._uses)
        if template.idle is not None:
            template.idle.cancel()
            template.idle = None

    def discard(self, template: LiveTemplate, container_id: str) -> None:
        """This container has ended, or is forked elsewhere."""
        template.containers.pop(container_id, None)
        if template.containers or template not in self._alive or template.why_ended is not None:
            return
        if template.spec in self._refused:
            self.end(template, "nothing can be forked from what it has imported")
        elif not template.is_ready:
            self.end(template, "nobody waits any more for what it imports")
        elif self._current.get(template.spec) is not template:
            self.end(template, "what it has imported has failed")
        else:
            self._await_use(template)

    def retire(self, template: LiveTemplate) -> None:
        """It forks those that wait for it, and no more."""
        if self._current.get(template.spec) is template:
            del self._current[template.spec]

    def end(self, template: LiveTemplate, why: str) -> None:
        """Whoever needs this kind from now on has another one started."""
        template.why_ended = f"the template process {template.pid} ended: {why}"
        self.retire(template)
        if template.is_ready:
            template.link.finish()
        else:
            template.link.kill()  # it imports, and reads nothing meanwhile

    async def close(self) -> None:
        """Have all end with their containers; all their reports come before this returns."""
        for template in self._alive:
            if not template.is_ready:
                template.link.kill()
        if self._alive:
            await asyncio.gather(*(template.link.close() for template in self._alive))

    def _start(self, spec: TemplateSpec) -> LiveTemplate:
        # A short name: sockets that are made below it may have no more than 107 characters.
        template = LiveTemplate(spec, self._scratch / str(next(self._numbers)))
        template.directory.mkdir(mode=0o700, parents=True)
        if (user := spec.walls.own_user) is not None:
            os.chown(template.directory, user, user)
        try:
            template.link = TemplateLink(
                command=self._command(template),
                env=_environment({**self._env, **dict(spec.env)}, spec.runtime),
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
            self._interpreter(template.spec),
            "-P",
            *(["-S"] if template.spec.runtime else []),
            *(["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []),
            "-m",
            "motet.runtime.lifecycle.template",
            "--entry",
            self._entry,
            "--scratch",
            str(template.directory),
            *(("--runtime", template.spec.runtime) if template.spec.runtime else ()),
            *(("--python", template.spec.python) if template.spec.runtime and template.spec.python else ()),
            *(() if self._left_behind is None else ("--left-behind", str(self._left_behind))),
        ]

    def _interpreter(self, spec: TemplateSpec) -> str:
        if spec.runtime:
            return os.path.realpath(self._python)  # not through an environment, which could say otherwise where it is
        return spec.python or self._python

    def _await_use(self, template: LiveTemplate) -> None:
        if template.spec != PLAIN_TEMPLATE:
            why = f"it had no container for {IDLE_WINDOW:g} s"
            template.idle = self._loop.call_later(IDLE_WINDOW, self.end, template, why)

    def _has_room(self) -> bool:
        """Room for one more that imports something; the one that was not used for the longest time may have to go."""
        prepared = [template for template in self._current.values() if template.spec.preload]
        if len(prepared) < MOST_PREPARED:
            return True
        idle = [template for template in prepared if not template.containers]
        if not idle:
            logger.warning(
                "a container starts without the memory snapshot of its function: %d are in use, which is the most",
                MOST_PREPARED,
            )
            return False
        self.end(min(idle, key=lambda each: each.used), f"another one needs its place, of {MOST_PREPARED}")
        return True

    def _has_ended(self, template: LiveTemplate, reason: str) -> None:
        self._alive.discard(template)
        if template.idle is not None:
            template.idle.cancel()
        if self._current.get(template.spec) is template:
            del self._current[template.spec]
        self._ended(template, reason)


def _environment(env: dict[bytes, bytes], runtime: str) -> dict[bytes, bytes]:
    """What a template starts with; one without its environment finds Motet there, before all else."""
    if not runtime:
        return env
    path = os.pathsep.encode().join(filter(None, (os.fsencode(runtime), env.get(b"PYTHONPATH"))))
    return {**env, b"PYTHONPATH": path}
