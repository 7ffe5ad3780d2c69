"""An app that was deployed, as containers of this machine are to find it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec

from motet.model.bundle import check_path
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition


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
    env = function.env
    if path := env.get("PYTHONPATH"):
        entries = [_path(entry, directory) for entry in path.split(os.pathsep) if entry]
        env = {**env, "PYTHONPATH": os.pathsep.join(entries)}
    return replace(function, definition=definition, env=env)


def _definition(definition: ImportedDefinition, directory: Path) -> ImportedDefinition:
    if definition.file is None:
        return definition
    return msgspec.structs.replace(definition, file=_path(definition.file, directory))


def _path(path: str, directory: Path) -> str:
    if os.path.isabs(path):
        return path
    check_path(path)
    return os.path.join(directory, path)
