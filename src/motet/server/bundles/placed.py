"""An app that was deployed, as containers of this machine are to find it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
from msgspec.structs import replace

from motet.errors import InvalidError
from motet.model.bundle import check_path
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.image import PreparingFunction
from motet.store.base import BundleStore


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


def _function(function: FunctionSpec, directory: Path) -> FunctionSpec:
    definition = function.definition
    if isinstance(definition, ImportedDefinition):
        definition = _definition(definition, directory)
    steps = tuple(
        replace(step, file=_path(step.file, directory)) if isinstance(step, PreparingFunction) else step
        for step in function.image.steps
    )
    image = replace(function.image, env=_environment(function.image.env, directory), steps=steps)
    return replace(function, definition=definition, env=_environment(function.env, directory), image=image)


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
