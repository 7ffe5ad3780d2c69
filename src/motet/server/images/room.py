"""How apps come to their images on one server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from motet.images.base import name_of
from motet.model.function import AppSpec
from motet.model.isolation import Isolation
from motet.server.bundles.placed import Placing
from motet.server.images.equipping import Builder, Equipping
from motet.server.images.image_builds import ImageBuilds
from motet.store.base import BundleStore

logger = logging.getLogger("motet.server")


class ImagesRoom:
    """`builder`: None where there are no environments. `builds`: those that an app needs and that are not there are built.
    `isolation`: the level of functions that say none."""

    def __init__(
        self,
        bundles: BundleStore | None,
        builder: Builder | None = None,
        *,
        builds: bool = False,
        isolation: Isolation = "process",
    ) -> None:
        self.builder, self.builds = builder, builds
        self._placing = Placing(bundles)
        self._equipping = Equipping(builder, builds=builds, isolation=isolation)
        self._builder = builder
        self._needed: dict[str, list[str]] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._builds = ImageBuilds(self._placing.placed, self._equipping)
        self.answers = self._builds.answers
        self.seams = self.placed, self.note_needed

    async def placed(self, spec: AppSpec, bundle: str) -> AppSpec:
        """The app as containers here are told of it: with its source, and with the interpreters of its environments. Raises as
        `Placing.placed` and `Equipping.equipped` do."""
        return await self._equipping.equipped(await self._placing.placed(spec, bundle))

    def note_needed(self, deployed: Iterable[AppSpec]) -> None:
        """These apps are deployed here, as they were `placed`: their images are kept, also while no server runs."""
        if self._builder is None:
            return
        needed: dict[str, list[str]] = {}
        for spec in deployed:
            for name in sorted({name for function in spec.functions if (name := name_of(function.image))}):
                apps = needed.setdefault(name, [])
                if spec.name not in apps:
                    apps.append(spec.name)
        is_new, self._needed = needed != self._needed, needed
        if is_new and (self._noting is None or self._noting.done()):
            self._noting = asyncio.get_running_loop().create_task(self._note(self._builder))

    async def _note(self, builder: Builder) -> None:
        noted = None
        while noted != self._needed and self._needed is not None:
            noted = self._needed
            try:
                await asyncio.to_thread(builder().note_needed, noted)
            except OSError as error:
                logger.warning(
                    "which images deployed apps need could not be noted (%s): `motet image prune` may remove them while "
                    "this server does not run",
                    error,
                )

    async def close(self) -> None:
        """End builds: nobody waits for them any more."""
        await self._builds.close()
        if self._noting is not None:
            await self._noting
