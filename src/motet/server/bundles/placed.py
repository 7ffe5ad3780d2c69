"""An app that was deployed, as containers of this machine are to find it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from motet.errors import InvalidError
from motet.model.bundle import check_path
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.image import AddedFiles, Dockerfile, DockerfileLines, PreparingFunction, Step
from motet.model.local_files import LocalFiles
from motet.store.base import BundleStore
from motet.wire.container_messages import Configure

D = TypeVar("D")


class Placing:
    """Has bundles lie where containers find them. `store`: None on a server that keeps none."""

    def __init__(self, store: BundleStore | None) -> None:
        self._store = store

    async def placed(self, spec: AppSpec, bundle: str) -> AppSpec:
        """The app with the paths of its bundle, which is here then; without one ("") as it is. Raises `NotFoundError`,
        `ServiceError`, `InvalidError`."""
        if not bundle:
            return replace(spec, bundle="")
        if self._store is None:
            raise InvalidError("this server ends with its program, and keeps no bundles")
        return placed(spec, await asyncio.to_thread(self._store.place, bundle))


def placed(spec: AppSpec, directory: Path) -> AppSpec:
    """With its relative paths, which are those of its bundle, below the bundle's directory. Raises `InvalidError` for one that
    leads out of it."""
    return replace(
        spec,
        functions=tuple(_function(function, directory) for function in spec.functions),
        sys_path=tuple(_path(entry, directory) for entry in spec.sys_path),
        project_dir=_path(spec.project_dir, directory),
        main=None if spec.main is None else _definition(spec.main, directory),
        bundle=str(directory),
    )


def moved(configuration: Configure, directory: Path) -> Configure:
    """What a container must know where its bundle lies in this directory: that of another host."""
    before = configuration.bundle

    def path(named: str) -> str:
        return f"{directory}{named[len(before) :]}" if named == before or named.startswith(f"{before}/") else named

    def definition(named: D) -> D:
        return replace(named, file=path(named.file)) if isinstance(named, ImportedDefinition) and named.file else named

    def environment(env: dict[str, str]) -> dict[str, str]:
        search = env.get("PYTHONPATH")
        return {**env, "PYTHONPATH": os.pathsep.join(map(path, search.split(os.pathsep)))} if search else env

    spec = configuration.spec
    files = tuple(replace(each, source=path(each.source)) for each in spec.image.files)
    return replace(
        configuration,
        spec=replace(
            spec,
            definition=definition(spec.definition),
            env=environment(spec.env),
            image=replace(spec.image, env=environment(spec.image.env), files=files),
        ),
        sys_path=tuple(map(path, configuration.sys_path)),
        project_dir=path(configuration.project_dir),
        main=definition(configuration.main),
        bundle=str(directory),
    )


def _function(function: FunctionSpec, directory: Path) -> FunctionSpec:
    definition = function.definition
    if isinstance(definition, ImportedDefinition):
        definition = _definition(definition, directory)
    steps = tuple(_step(step, directory) for step in function.image.steps)
    files = tuple(_files(each, directory) for each in function.image.files)
    image = replace(function.image, env=_environment(function.image.env, directory), steps=steps, files=files)
    return replace(function, definition=definition, env=_environment(function.env, directory), image=image)


def _step(step: Step, directory: Path) -> Step:
    if isinstance(step, PreparingFunction):
        return replace(step, file=_path(step.file, directory))
    if isinstance(step, AddedFiles):
        return replace(step, files=tuple(_files(each, directory) for each in step.files))
    if isinstance(step, Dockerfile | DockerfileLines) and step.context:
        step = replace(step, context=_below(step.context, directory))
    if isinstance(step, DockerfileLines):
        named = {there: _below(here, directory) for there, here in step.context_files.items()}
        return replace(step, context_files=named)
    return step


def _files(files: LocalFiles, directory: Path) -> LocalFiles:
    return files if files.kind == "module" else replace(files, source=_below(files.source, directory))


def _below(path: str, directory: Path) -> str:
    """Of the bundle, and nothing else of this machine: builds and mounts would show it."""
    if os.path.isabs(path):
        raise InvalidError(f"an image of what was deployed names {path}, which is no path of its bundle")
    return _path(path, directory)


def _environment(env: dict[str, str], directory: Path) -> dict[str, str]:
    path = env.get("PYTHONPATH")
    if not path:
        return env
    entries = [_path(entry, directory) for entry in path.split(os.pathsep) if entry]
    return {**env, "PYTHONPATH": os.pathsep.join(entries)}


def _definition(definition: ImportedDefinition, directory: Path) -> ImportedDefinition:
    if definition.file is None:
        return definition
    return msgspec.structs.replace(definition, file=_path(definition.file, directory))


def _path(path: str, directory: Path) -> str:
    if os.path.isabs(path):
        return path
    check_path(path)
    return os.path.join(directory, path)
