"""How apps come to their images on one server."""

from __future__ import annotations

from motet.model.function import AppSpec
from motet.model.isolation import Isolation
from motet.server.bundles.placed import Placing
from motet.server.images.equipping import Builder, Equipping
from motet.server.images.image_builds import ImageBuilds
from motet.store.base import BundleStore


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
        self._builds = ImageBuilds(self._placing.placed, self._equipping)
        self.answers, self.close = self._builds.answers, self._builds.close

    async def placed(self, spec: AppSpec, bundle: str) -> AppSpec:
        """The app as containers here are told of it: with its source, and with the interpreters of its environments. Raises as
        `Placing.placed` and `Equipping.equipped` do."""
        return await self._equipping.equipped(await self._placing.placed(spec, bundle))
