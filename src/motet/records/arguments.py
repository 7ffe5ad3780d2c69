"""What it takes to run a failed input once more: its arguments, and where the code of its function is."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from motet.errors import Error, InvalidError, NotFoundError
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition, SerializedDefinition
from motet.model.image import ImageSpec
from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord


class ArgumentsRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The arguments of an input that failed, as they were delivered to its containers."""

    call_id: str
    index: int
    function_id: str
    ended_at: float
    payload: bytes


def why_not_kept(input_id: str, record: InputRecord | None) -> Error:
    """Why the arguments of an input are not there; `record`: what is kept of its end."""
    if record is None:
        return NotFoundError(f"no input {input_id!r} has ended here")
    if record.kind not in (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT, OutcomeKind.LOST):
        ending = record.kind.name.lower().replace("_", " ")
        return InvalidError(f"{input_id} ended with {ending}; only inputs that failed are kept to be run again")
    return NotFoundError(
        f"the arguments of {input_id} were not kept: it was a request to a web function, or they were larger than "
        "MOTET_KEEP_ARGUMENTS_BYTES, or MOTET_KEEP_ARGUMENTS was off where it ran, or others have taken their room"
    )


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
