"""What becomes of a sandbox's image: its environment or OCI image is built, what it says of commands is the sandbox's own then,
and what the isolation level cannot give is refused."""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from motet import errors
from motet.errors import InvalidError, ServiceError, UnimplementedError
from motet.images.base import Told
from motet.images.oci.context import located
from motet.model.image import (
    AddedFiles,
    BuildPlace,
    DefaultCommand,
    Entrypoint,
    ImageSpec,
    WorkingDirectory,
)
from motet.model.isolation import Isolation
from motet.model.local_files import LocalFiles
from motet.model.oci_image import OciImage
from motet.model.sandbox import SandboxSpec
from motet.server.images.equipping import Builder
from motet.server.sandboxes.known_sandbox import KnownSandbox

MODULES = "/root"
"""Where modules of the program are that an image adds, as in Modal."""
_READ_ONLY = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sys", "/dev")
"""Of the machine, within walls: nothing can be put there."""


KNOWN_FOR = 30.0
"""Seconds for which an OCI image is taken to be as it was: to ask the engine takes longer than to start a sandbox."""
_MOST_KNOWN = 64

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class SandboxImages:
    """`builder`, `builds`: as for functions (see `Equipping`)."""

    def __init__(self, builder: Builder | None, *, builds: bool) -> None:
        self._builder = builder
        self._builds = builds
        self._known: dict[bytes, tuple[OciImage, float]] = {}
        """OCI images by what asked for them, with how long they are taken to be there."""

    async def settled(
        self, name: str, app_name: str, spec: SandboxSpec, isolation: Isolation, place: BuildPlace
    ) -> SandboxSpec:
        """The sandbox with an image that has no steps any more, but what was made of them. Cancelling it ends a build. Raises
        `ImageBuildError`, `ServiceError`, and `InvalidError` for what cannot be had on this level."""
        image = spec.image
        if isolation == "oci":
            return _in_oci_image(spec, await self._oci(name, app_name, image, place), place)
        python = ""
        if image.steps:
            # What is to be built anew, was, when its client asked for that.
            python = await self._python(name, app_name, image.not_anew(), isolation, place)
        files = tuple(_placed(name, image, isolation, place))
        env = _with_modules(image, [os.path.dirname(it.source) for it in _modules(image, place)], isolation)
        entrypoint, command = _last(image, Entrypoint), _last(image, DefaultCommand)
        return replace(
            spec,
            command=(*entrypoint, *(spec.command or command)),
            workdir=spec.workdir or _workdir(name, image, isolation),
            image=ImageSpec(env=env, files=() if isolation == "process" else files, python=python),
        )

    async def snapshot(self, sandbox: KnownSandbox, snapshot_id: str, seconds: float) -> str:
        """Keep its files as an image, which is listed and pruned with others; the name that the engine has it by. Raises
        `UnimplementedError` where its level has no picture of them, `ServiceError`, and `TimeoutError` of `motet.errors`."""
        peer, oci = sandbox.peer, sandbox.note.spec.image.oci
        if oci is None or self._builder is None:
            raise UnimplementedError(
                f"sandbox {sandbox.sandbox_id} runs at the isolation level {sandbox.note.isolation!r}, where its files are "
                "those of the machine or of a temporary directory, and no snapshot of them can be taken: create it with "
                'isolation="oci", or copy what you need with filesystem.copy_to_local'
            )
        if peer is None or peer.process is None or sandbox.ended:
            raise ServiceError(
                f"sandbox {sandbox.sandbox_id} has ended, or is not reached now: there is no snapshot of it"
            )
        try:
            async with asyncio.timeout(seconds):
                return await self._builder().snapshot(peer.process.pid, snapshot_id, oci, sandbox.sandbox_id)
        except TimeoutError:
            raise errors.TimeoutError(
                f"the snapshot of sandbox {sandbox.sandbox_id} took longer than {seconds:g} s"
            ) from None

    async def _oci(self, name: str, app_name: str, image: ImageSpec, place: BuildPlace) -> OciImage:
        if self._builder is None:
            raise InvalidError(f"{name} is to run in an OCI image, and this server has no place to build one")
        loop = asyncio.get_running_loop()
        key = hashlib.sha256(_encode((image, place))).digest()
        found, until = self._known.get(key, (None, 0.0))
        if found is not None and loop.time() < until:
            return found
        builder = self._builder()
        built = await builder.build_oci(image, place, _nobody, anew=False)
        await asyncio.to_thread(builder.used, built, app_name)
        self._known.pop(key, None)
        self._known[key] = built, loop.time() + KNOWN_FOR
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return built

    async def _python(self, name: str, app_name: str, image: ImageSpec, isolation: Isolation, place: BuildPlace) -> str:
        if self._builder is None:
            raise InvalidError(f"{name} was given an image, and this server has no place to build one")
        builder = self._builder()
        if lacking := await asyncio.to_thread(builder.lacking, image):
            raise InvalidError(
                f"{name}: the isolation level {isolation!r} has the system of this machine, which lacks what the image asks "
                f"for: {'; '.join(lacking)}"
            )
        if not image.asks_for_environment:
            return ""
        found = (
            await builder.build(image, place, _nobody)
            if self._builds
            else await asyncio.to_thread(builder.found, image)
        )
        if found is None:
            asked = ", ".join(image.requirements) or "what its steps say"
            raise InvalidError(
                f"{name}: its image asks for an environment with {asked}, which this Python has not, and none was built for "
                "it. To have it built: MOTET_BUILD_IMAGES=always, or motet run --build"
            )
        await asyncio.to_thread(builder.used, found, app_name)
        return found.python


_nobody: Told = lambda line: None  # noqa: E731 - who waits for a build is told by another request


def _in_oci_image(spec: SandboxSpec, oci: OciImage, place: BuildPlace) -> SandboxSpec:
    image = spec.image
    mounted = [it for step in image.of_kind(AddedFiles) if not step.is_copied for it in step.files]
    has_modules = any(it.kind == "module" for it in image.files)
    return replace(
        spec,
        command=(*oci.entrypoint, *(spec.command or oci.command)),
        workdir=spec.workdir or oci.workdir,
        image=ImageSpec(
            env=_joined(image.env, [MODULES] if has_modules else []),
            files=tuple(_at_absolute_path(it, oci.workdir or "/", place) for it in mounted),
            oci=oci,
        ),
    )


def _last(image: ImageSpec, kind: type[Entrypoint | DefaultCommand]) -> tuple[str, ...]:
    steps = image.of_kind(kind)
    return steps[-1].command if steps else ()


def _workdir(name: str, image: ImageSpec, isolation: Isolation) -> str:
    """The directory that the image's steps lead to, if any does."""
    path = ""
    for step in image.of_kind(WorkingDirectory):
        path = posixpath.join(path, step.path)
    if path and isolation == "process" and not os.path.isdir(path):
        raise InvalidError(
            f"{name}: Image.workdir({path!r}): the isolation level 'process' has the directories of this machine, where this "
            'one is not; use isolation="oci", or workdir= of create'
        )
    return path


def _modules(image: ImageSpec, place: BuildPlace) -> list[LocalFiles]:
    return [_found(it, place) for it in image.files if it.kind == "module"]


def _found(files: LocalFiles, place: BuildPlace) -> LocalFiles:
    """A module as the file or directory that it is."""
    source = located(files, place.sys_path).source
    kind = "directory" if os.path.isdir(source) else "file"
    return replace(files, kind=kind, source=source, target=posixpath.join(MODULES, os.path.basename(source)))


def _at_absolute_path(files: LocalFiles, workdir: str, place: BuildPlace) -> LocalFiles:
    if files.kind == "module":
        return _found(files, place)
    return replace(files, target=posixpath.normpath(posixpath.join(workdir, files.target)))


def _placed(name: str, image: ImageSpec, isolation: Isolation, place: BuildPlace) -> Iterator[LocalFiles]:
    """Files that the image adds, with where they are to be. Raises `InvalidError` for those that cannot be there."""
    for files in image.files:
        if isolation == "process":
            if files.kind != "module" and os.path.realpath(files.source) != os.path.realpath(files.target):
                raise InvalidError(
                    f"{name}: its image adds {files.source} as {files.target}, and the isolation level 'process' has the files "
                    'of this machine, where they are: use isolation="bubblewrap" or "oci", or filesystem.copy_from_local'
                )
            continue
        found = _at_absolute_path(files, "/tmp", place)
        if any(found.target == each or found.target.startswith(f"{each}/") for each in _READ_ONLY):
            raise InvalidError(
                f"{name}: its image adds {found.source} as {found.target}, and the isolation level {isolation!r} has that part "
                'of the system from this machine, read-only: use isolation="oci", or another path'
            )
        if not os.path.exists(found.source):
            raise InvalidError(f"{name}: its image adds {found.source}, which is not on the server's machine")
        yield found


def _with_modules(image: ImageSpec, directories: list[str], isolation: Isolation) -> dict[str, str]:
    """Its variables; programs in the sandbox find the modules that it adds."""
    if not directories:
        return image.env
    return _joined(image.env, directories if isolation == "process" else [MODULES])


def _joined(env: dict[str, str], directories: list[str]) -> dict[str, str]:
    if not directories:
        return env
    given = env.get("PYTHONPATH", "")
    return {**env, "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, (given, *directories))))}
