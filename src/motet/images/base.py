"""The seam to what builds images: what is asked of it, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from motet.model.image import BuildPlace, ImageSpec
from motet.model.oci_image import OciImage

Told = Callable[[str], None]
"""Takes a line about what a build does."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """A Python environment that is there. `python`: the path of its interpreter; empty: the base environment has all that was
    asked for. `digest`: what names it; empty for the base."""

    python: str = ""
    digest: str = ""


class ImageBuilder(Protocol):
    """Makes environments of images."""

    def found(self, image: ImageSpec) -> Environment | None:
        """The environment of an image, if it is there; None if it would have to be built. Waits for the disk."""

    async def build(self, image: ImageSpec, place: BuildPlace, told: Told) -> Environment:
        """The environment of an image, built unless it is there: in other processes, and once for all who ask for it at the
        same time. Cancelling it ends the build. Raises `ImageBuildError`."""
        ...

    async def build_oci(self, image: ImageSpec, place: BuildPlace, told: Told, *, anew: bool) -> OciImage:
        """The OCI image, built unless it is there; `anew`: steps that are to be taken anew are. Cancelling it ends the
        build. Raises `ImageBuildError`, `InvalidError` and,
        with what to do, `ServiceError` where nothing builds such images."""
        ...

    async def snapshot(self, process: int, snapshot_id: str, of: OciImage, sandbox_id: str) -> str:
        """Keep the files of the OCI container that a process of this machine is in, as an image, which says of commands what
        `of` does; its name, for `from_registry`. Cancelling it ends that. Raises `ServiceError`."""
        ...

    def lacking(self, image: ImageSpec) -> list[str]:
        """What no environment can have of an image and this machine lacks, in words (see `missing_on_host`). Waits for other
        programs."""
        ...

    def used(self, made: Environment | OciImage, app: str) -> None:
        """Containers of this process use it, for an app of this name: it is not removed while this process lives. Idempotent;
        the base environment is nobody's to remove."""

    def note_needed(self, needed: Mapping[str, Sequence[str]]) -> None:
        """Deployed apps need these from now on, also while this process does not run: by `name_of`, each with their names."""


def name_of(image: ImageSpec) -> str:
    """What an image that was built is known by among those of its machine, by its interpreter's path or as an engine calls
    it; "": it is the base environment."""
    if image.oci is not None:
        return image.oci.name.rpartition(":")[2]
    return os.path.basename(os.path.dirname(os.path.dirname(image.python)))
