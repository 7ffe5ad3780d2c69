"""An app, with the interpreters of the environments that its images ask for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from msgspec.structs import replace

from motet.errors import InvalidError
from motet.images.base import Environment, ImageBuilder, Told
from motet.images.host import lacking_entrypoint
from motet.model.function import AppSpec, FunctionSpec, SerializedDefinition
from motet.model.image import BuildPlace, ImageSpec
from motet.model.isolation import Isolation, no_snapshots
from motet.model.oci_image import OciImage

Builder = Callable[[], ImageBuilder]
"""The one of this server, made when it is first needed."""


class Equipping:
    """`builds`: environments that are not there are built; otherwise functions run in the base environment. `isolation`: the
    level of functions that say none. At the level oci, images are always built."""

    def __init__(self, builder: Builder | None, *, builds: bool, isolation: Isolation = "process") -> None:
        self._builder = builder
        self._builds = builds
        self._isolation = isolation

    async def equipped(self, spec: AppSpec, told: Told = lambda line: None, *, asked: bool = False) -> AppSpec:
        """The app, whose functions run in their images' environments. `asked`: somebody waits for builds: they are made, and
        what images say is to be taken anew is; where a server builds by itself, also what no environment can have is told
        (programs tell of their own machine themselves). Raises `ImageBuildError`, and `InvalidError` for code that travels by
        value to another version of Python."""
        if asked and self._builds and self._builder is not None:
            await self._tell_what_is_lacking(spec, self._builder(), told)
        if not any(
            self._is_in_image(each) or each.image.asks_for_environment or each.image.python for each in spec.functions
        ):
            return spec
        place = BuildPlace(sys_path=spec.sys_path, project_dir=spec.project_dir)
        found: list[tuple[ImageSpec, str]] = []
        functions = []
        images: list[tuple[ImageSpec, OciImage]] = []
        for function in spec.functions:
            if self._is_in_image(function):
                oci = next((built for image, built in images if image == function.image), None)
                if oci is None:
                    _check_travels(function, function.image.python_version)
                    oci = await self._oci(spec.name, function, place, told, anew=asked)
                    images.append((function.image, oci))
                _check_travels(function, oci.version)
                functions.append(replace(function, image=replace(function.image, python="", oci=oci)))
                continue
            python = next((python for image, python in found if image == function.image), None)
            if python is None:
                python = await self._python(spec.name, function, place, told, asked=asked)
                found.append((function.image, python))
            if python:
                _check_travels(function, function.image.python_version)
            functions.append(replace(function, image=replace(function.image, python=python)))
        return replace(spec, functions=tuple(functions))

    def tell_of_snapshots(self, functions: tuple[str, ...], told: Told) -> None:
        """Functions that say no level ask for memory snapshots."""
        if self._isolation != "process":
            told(f"Warning: {no_snapshots(functions, self._isolation)}")

    def _is_in_image(self, function: FunctionSpec) -> bool:
        return (function.isolation or self._isolation) == "oci"

    async def _tell_what_is_lacking(self, spec: AppSpec, builder: ImageBuilder, told: Told) -> None:
        """Containers run without it."""
        found: dict[str, None] = {}
        for function in spec.functions:
            if function.image.steps and not self._is_in_image(function):
                found |= dict.fromkeys(lacking_entrypoint(function.image))
                found |= dict.fromkeys(await asyncio.to_thread(builder.lacking, function.image))
        for finding in found:
            told(f"Warning: {finding}")

    async def _oci(self, app: str, function: FunctionSpec, place: BuildPlace, told: Told, *, anew: bool) -> OciImage:
        if self._builder is None:
            raise InvalidError(f"{function.name} is to run in an OCI image, and this server has no place to build one")
        builder = self._builder()
        made = await builder.build_oci(function.image, place, told, anew=anew)
        await asyncio.to_thread(builder.used, made, app)
        return made

    async def _python(self, app: str, function: FunctionSpec, place: BuildPlace, told: Told, *, asked: bool) -> str:
        image = function.image if asked else function.image.not_anew()
        if self._builder is None or not image.asks_for_environment or function.isolation == "oci":
            return ""
        builder = self._builder()
        found: Environment | None
        if asked or self._builds:
            found = await builder.build(image, place, told)
        else:
            found = await asyncio.to_thread(builder.found, image)
        if found is None:
            return ""
        await asyncio.to_thread(builder.used, found, app)
        return found.python


def _check_travels(function: FunctionSpec, version: str) -> None:
    """Bytecode is of one version of Python alone; `version` may be a part of one, or nothing."""
    wanted = version.split(".")[:2]
    here = [str(part) for part in sys.version_info[:2]]
    if isinstance(function.definition, SerializedDefinition) and wanted not in ([""], here[:1], here):
        raise InvalidError(
            f"{function.name} travels by value from Python {'.'.join(here)}, and its image has Python {'.'.join(wanted)}, "
            "which cannot read that. Define it in a module, or have the image and the program on the same version"
        )
