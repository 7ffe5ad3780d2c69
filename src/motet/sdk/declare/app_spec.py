"""An app as a server must know it, at the moment it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from motet.context import sources
from motet.context.main_module import main_by_value, names_not_elsewhere
from motet.context.notices import warn_user
from motet.errors import Error, InvalidError
from motet.model.function import AppSpec, MethodSpec, SerializedDefinition
from motet.sdk.declare.declaration import Declared
from motet.sdk.declare.definition import out_of_reach
from motet.sdk.options import checked
from motet.sdk.options.checks import is_sendable, plain
from motet.wire.by_value import MAIN, NOTHING, ByValue

ISOLATION = "MOTET_ISOLATION"
"""The level of functions that say none: of those of this program, wherever they run, and of a server for all others."""


def app_spec(name: str, functions: Sequence[Declared], *, with_interfaces: bool = False) -> tuple[AppSpec, ByValue]:
    """The specification, and what of this process the app's containers cannot import: its functions and their arguments
    travel with that by value. Raises `SerializationError`, `InvalidError`."""
    directory = _current_directory()
    if not is_sendable(directory):
        raise InvalidError(f"containers cannot be told of the current directory {directory!r}: its name is not UTF-8")
    search_path = (os.path.join(directory, entry) if entry else directory for entry in sys.path)
    places = [declared.place() for declared in functions]
    main = next((place for place in places if place is not None and place.is_main), None)
    by_value = _by_value(main is not None, (it for it, place in zip(functions, places, strict=True) if place is None))
    isolation = checked.isolation(ISOLATION, said) if (said := os.environ.get(ISOLATION)) else None
    spec = AppSpec(
        name=plain(name).encode(errors="backslashreplace").decode(),
        functions=tuple(
            replace(
                declared.spec,
                definition=definition,
                methods=_methods(declared, with_interfaces),
                isolation=declared.spec.isolation or isolation,
            )
            for declared, place in zip(functions, places, strict=True)
            if (definition := place or _by_value_of(declared, by_value)) is not None
        ),
        sys_path=tuple(plain(entry) for entry in search_path if entry and is_sendable(entry)),
        project_dir=directory,
        argv=tuple(argument.encode("utf-8", "replace").decode() for argument in sys.argv),
        main=None if main is None else msgspec.structs.replace(main, qualname=""),
        sources=str(kept.directory) if (kept := sources.in_use()) is not None else "",
    )
    return spec, by_value


def _methods(declared: Declared, with_interfaces: bool) -> tuple[MethodSpec, ...]:
    if not with_interfaces:
        return declared.spec.methods
    from motet.sdk.declare.interfaces import with_interface  # late: most programs are called from Python alone

    return tuple(with_interface(method, declared.spec, declared.code) for method in declared.spec.methods)


def _current_directory() -> str:
    """Where containers begin; empty if that was removed: then each begins in its own."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _by_value_of(declared: Declared, by_value: ByValue) -> SerializedDefinition | None:
    try:
        return declared.by_value(by_value)
    except Error as error:
        if declared.spec.taken == 0:
            raise
        # Another function has its name: most likely nobody misses it.
        warn_user(UserWarning(f"{declared.where} cannot be called, since another function has taken its name: {error}"))
        return None


def _by_value(main_is_imported: bool, by_value: Iterable[Declared]) -> ByValue:
    """A script is imported in containers if any of its functions is: only then it is known to be made for that. Otherwise
    what is passed of it travels by value, as everything of a notebook does."""
    modules = {module for declared in by_value if (module := out_of_reach(declared.code)) is not None}
    if not main_is_imported:
        return ByValue(modules=frozenset(modules | {MAIN}))
    names = frozenset() if main_by_value() else names_not_elsewhere()
    return ByValue(frozenset(modules), names) if modules or names else NOTHING
