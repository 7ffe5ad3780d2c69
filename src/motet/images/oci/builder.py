"""OCI images for whoever waits on a loop: a build runs beside it, tells what it does, and ends when nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from motet.images.oci.build import BuildStop, Told
from motet.images.oci.built import BuiltImage, OciImages
from motet.images.oci.preparing import RUNTIME
from motet.model.image import BuildPlace, ImageSpec
from motet.model.oci_image import OciImage


class OciBuilder:
    """See `OciImages`, whose arguments it has."""

    def __init__(self, directory: Path, env: Mapping[str, str], uv: Callable[[], Path]) -> None:
        self.images = OciImages(directory, env, uv)

    async def build(self, image: ImageSpec, place: BuildPlace, told: Told, *, anew: bool) -> OciImage:
        """The image, built unless the engine has it; `anew`: see `OciImages.ensure`. Cancelling it ends the build.
        Raises `ImageBuildError`, `InvalidError` and
        `ServiceError` where nothing builds images here."""
        loop, stop = asyncio.get_running_loop(), BuildStop()

        def line(text: str) -> None:
            loop.call_soon_threadsafe(told, text)

        try:
            built = await asyncio.to_thread(self.images.ensure, image, line, place.sys_path, stop, anew=anew)
        except asyncio.CancelledError:
            stop.now()
            raise
        return _described(built)


def _described(built: BuiltImage) -> OciImage:
    return OciImage(
        name=built.tag,
        python=built.python.executable,
        env=tuple(sorted(built.env.items())),
        runtime=str(built.runtime),
        runtime_at=RUNTIME,
        entrypoint=built.entrypoint,
        command=built.command,
        workdir=built.workdir,
        version=".".join(map(str, built.python.version)),
    )
