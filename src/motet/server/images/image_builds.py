"""Builds of images that clients wait for, and what they are told of them meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from motet.errors import Error, InternalError
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.server.images.equipping import Equipping
from motet.wire.client_messages import ReplyBody
from motet.wire.image_messages import BuildImages, ImagesBuilt

ANSWER_AFTER = 20.0
"""Seconds after which a client is answered, also if there is nothing new."""

MOST_LINES = 20_000
"""Of one build, that clients are told; the whole of it is in its log."""
LONGEST_LINE = 2_000
LINES_AT_ONCE = 200
KEPT_FOR = 60.0
"""Seconds for which what a build told is kept after its end, for clients that ask on. One that has gone does not ask."""

WithSource = Callable[[AppSpec, str], Coroutine[Any, Any, AppSpec]]
"""Gives an app the paths of its bundle."""

_NOWHERE = ImportedDefinition(module="", qualname="")


class _RunningBuild:
    """One build for all who asked for the same images."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.error: Error | None = None
        self.is_over = False
        self.changed = asyncio.Condition()
        self.task: asyncio.Task[None]


class ImageBuilds:
    """Of one server. All methods are called on its loop's thread."""

    def __init__(self, with_source: WithSource, equipping: Equipping) -> None:
        self._with_source = with_source
        self._equipping = equipping
        self._running: dict[str, _RunningBuild] = {}
        self.answers: dict[type[Any], Callable[[Any], Coroutine[Any, Any, ReplyBody]]] = {BuildImages: self._build}

    async def _build(self, body: BuildImages) -> ReplyBody:
        key = hashlib.sha256(msgspec.msgpack.encode((body.images, body.place, body.bundle, body.oci))).hexdigest()
        running = self._running.get(key)
        if running is None or (running.is_over and body.seen == 0):
            running = self._running[key] = _RunningBuild()
            running.task = asyncio.get_running_loop().create_task(self._run(running, body))
            running.task.add_done_callback(
                lambda task: task.get_loop().call_later(KEPT_FOR, self._forget, key, running)
            )
        async with running.changed:
            new = running.changed.wait_for(lambda: running.is_over or len(running.lines) > body.seen)
            try:
                await asyncio.wait_for(new, ANSWER_AFTER)
            except TimeoutError:  # nothing new: the client asks again
                return ImagesBuilt([], False)
        lines = running.lines[body.seen : body.seen + LINES_AT_ONCE]
        if running.is_over and not lines:
            self._forget(key, running)
            if running.error is not None:
                raise running.error
        return ImagesBuilt(lines, running.is_over and not lines)

    def _forget(self, key: str, running: _RunningBuild) -> None:
        if self._running.get(key) is running:
            del self._running[key]

    async def _run(self, running: _RunningBuild, body: BuildImages) -> None:
        loop = asyncio.get_running_loop()
        changes: set[asyncio.Task[None]] = set()

        def told(line: str) -> None:
            if len(running.lines) == MOST_LINES:
                return
            running.lines.append(line[:LONGEST_LINE])
            task = loop.create_task(_notify(running))
            changes.add(task)
            task.add_done_callback(changes.discard)

        try:
            functions = tuple(
                FunctionSpec(
                    name=f"image {number}",
                    app_name=body.app_name,
                    definition=_NOWHERE,
                    image=image,
                    isolation=None if body.oci is None else "oci" if body.oci else "process",
                )
                for number, image in enumerate(body.images)
            )
            place = body.place
            spec = AppSpec(
                name=body.app_name, functions=functions, sys_path=place.sys_path, project_dir=place.project_dir
            )
            if body.snapshots:
                self._equipping.tell_of_snapshots(body.snapshots, told)
            await self._equipping.equipped(await self._with_source(spec, body.bundle), told, asked=True)
        except Error as error:
            running.error = error
        except Exception as error:
            running.error = InternalError(f"images could not be built: {type(error).__name__}: {error}")
        finally:
            running.is_over = True
            await _notify(running)

    async def close(self) -> None:
        """Nobody waits for them any more."""
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _notify(running: _RunningBuild) -> None:
    async with running.changed:
        running.changed.notify_all()
