"""Builds environments of images in processes of their own, once for all who ask for the same one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from motet.errors import ImageBuildError
from motet.images.base import Environment, Told
from motet.images.build_process import BuildLine, BuildMade, BuildRequest, FailedBuild, decode_answer, encode_request
from motet.images.cache import EnvironmentCache
from motet.images.installed import is_python, missing_from_base
from motet.images.linked_runtime import base_name, linked_runtime
from motet.images.recipe import Recipe
from motet.images.uses import note_needed
from motet.model.image import BuildPlace, ImageSpec
from motet.model.oci_image import OciImage

_LONGEST_LINE = 1 << 20
_END_TIMEOUT = 5.0
"""Seconds in which a build that nobody waits for any more must have ended what it started."""


class EnvironmentBuilder:
    """An `ImageBuilder` whose environments are under `directory`."""

    def __init__(self, directory: Path) -> None:
        self.cache = EnvironmentCache(directory)
        self._linked: set[bool] = set()

    def found(self, image: ImageSpec) -> Environment | None:
        """See `ImageBuilder`."""
        recipe = Recipe.of(image)
        if not recipe.functions and not missing_from_base(recipe):
            return Environment()
        found = None if recipe.is_forced else self.cache.led_to(recipe.digest(base_name()))
        if found is None:
            return None
        self.cache.hold(found.digest)
        if self.cache.environment(found.digest) is None:  # it was removed just before
            return None
        self._link(is_python(recipe.python))
        return found

    def _link(self, is_same_python: bool) -> None:
        """The base may have been upgraded since an environment was built."""
        if is_same_python not in self._linked:
            self._linked.add(is_same_python)
            linked_runtime(self.cache.directory / "runtime", is_same_python)

    async def build(self, image: ImageSpec, place: BuildPlace, told: Told) -> Environment:
        """See `ImageBuilder`."""
        found = await asyncio.to_thread(self.found, image)
        if found is not None:
            return found
        request = BuildRequest(recipe=Recipe.of(image), directory=str(self.cache.directory), place=place)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "motet.images.build_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        try:
            return await self._followed(process, request, told)
        finally:
            # Also what it started: nobody waits for it any more.
            if process.returncode is None:
                assert process.stdin is not None
                process.stdin.close()  # it ends what has left its group, and then itself
                try:
                    async with asyncio.timeout(_END_TIMEOUT):
                        await process.wait()
                except TimeoutError:
                    os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()

    async def _followed(self, process: asyncio.subprocess.Process, request: BuildRequest, told: Told) -> Environment:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(encode_request(request) + b"\n")
        while line := await process.stdout.readline():
            match decode_answer(line):
                case BuildLine(text):
                    told(text)
                case BuildMade(made):
                    return made
                case FailedBuild(reason):
                    raise ImageBuildError(reason)
        raise ImageBuildError(f"the build ended without an answer (status {await process.wait()})")

    def used(self, made: Environment | OciImage, app: str) -> None:
        """See `ImageBuilder`."""
        if isinstance(made, Environment) and made.digest:
            self.cache.hold(made.digest, app)

    def note_needed(self, needed: Mapping[str, Sequence[str]]) -> None:
        """See `ImageBuilder`."""
        note_needed(self.cache.directory, needed)
