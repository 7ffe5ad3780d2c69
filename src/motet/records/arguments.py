"""What it takes to run a failed input once more: its arguments, and where the code of its function is."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from motet.model.function import AppSpec, FunctionSpec, ImageSpec, ImportedDefinition, SerializedDefinition


class ArgumentsRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The arguments of an input that failed, as they were delivered to its containers."""

    call_id: str
    index: int
    function_id: str
    ended_at: float
    payload: bytes


class DefinitionRecord(msgspec.Struct, frozen=True):
    """Where a function is found, and what it was imported with: the fields of `AppSpec`. Nothing of its environment, in which
    there are secrets, and no code that travelled by value. `version`: that of `app_name`, if it was deployed."""

    function_id: str
    spec: FunctionSpec
    sys_path: tuple[str, ...]
    project_dir: str
    argv: tuple[str, ...]
    main: ImportedDefinition | None = None
    sources: str = ""
    bundle: str = ""
    app_name: str = ""
    version: int = 0

    @classmethod
    def of(cls, function_id: str, spec: FunctionSpec, app: AppSpec, version: int = 0) -> DefinitionRecord:
        """That of a function of an app."""
        definition = spec.definition
        if isinstance(definition, SerializedDefinition):
            definition = SerializedDefinition(pickled=b"", qualname=definition.qualname)
        bare = replace(spec, env={}, image=ImageSpec(), definition=definition)
        return cls(
            function_id,
            bare,
            app.sys_path,
            app.project_dir,
            app.argv,
            app.main,
            app.sources,
            app.bundle,
            app.name,
            version,
        )
