"""Builds all that images can be on this machine: environments of Python, and OCI images."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from motet.errors import ServiceError
from motet.images.base import Environment, Told, name_of
from motet.images.builder import EnvironmentBuilder
from motet.images.host import missing_on_host
from motet.images.oci.builder import OciBuilder
from motet.images.oci.notes import OciBuilt
from motet.images.oci.snapshot import snapshot
from motet.images.programs import NO_UV
from motet.model.image import BuildPlace, ImageSpec
from motet.model.oci_image import OciImage


class MachineImages(EnvironmentBuilder):
    """An `ImageBuilder`. What it has built is under `directory`; `env` says which programs build OCI images, and how."""

    def __init__(self, directory: Path, env: Mapping[str, str]) -> None:
        super().__init__(directory)
        self._env = env
        self._oci = OciBuilder(directory / "oci", env, _uv_program)

    async def build_oci(self, image: ImageSpec, place: BuildPlace, told: Told, *, anew: bool) -> OciImage:
        """See `ImageBuilder`."""
        return await self._oci.build(image, place, told, anew=anew)

    def used(self, made: Environment | OciImage, app: str) -> None:
        """See `ImageBuilder`."""
        super().used(made, app)
        if isinstance(made, OciImage):
            self._oci.images.notes.uses.hold(name_of(ImageSpec(oci=made)), app)

    async def snapshot(self, process: int, snapshot_id: str, of: OciImage, sandbox_id: str) -> str:
        """See `ImageBuilder`."""
        images, began = self._oci.images, time.time()
        name, programs = f"snapshot-{snapshot_id}", images.programs
        steps = (f"snapshot_filesystem {sandbox_id}",)
        # First: what no note tells of is removed as what a build has left.
        noted = OciBuilt(name=name, python_version=of.version, steps=steps, stages=(name,), built_at=began, seconds=0.0)
        images.notes.write(noted)
        try:
            await snapshot(programs, self._env, process, tag := images.notes.tag(name), of)
        except BaseException:
            images.notes.forget(name)
            raise
        return tag

    def lacking(self, image: ImageSpec) -> list[str]:
        """See `ImageBuilder`."""
        return missing_on_host(image, self._env)


def _uv_program() -> Path:
    """The program itself, which is put into images while they are built."""
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if os.access(found := Path(directory, "uv"), os.X_OK):
            return found
    raise ServiceError(NO_UV)
