"""Whether the containers of a server can load what this program would send them: said before anything is sent."""

from __future__ import annotations

from motet.client.connection import Connection
from motet.errors import VersionError
from motet.model.function import AppSpec, SerializedDefinition
from motet.wire.by_value import ByValue, refusal_of
from motet.wire.hello import PYTHON


def refuse_other_python(connection: Connection) -> None:
    """For apps whose containers import where this program does, packages and all, which only the same Python can. Raises
    `VersionError`."""
    agreed = connection.agreed
    if agreed is not None and agreed.python and _minor(agreed.python) != _minor(PYTHON):
        raise VersionError(
            f"the server runs containers on Python {agreed.python}, and this program is on {PYTHON}: run it on Python "
            f"{_minor(agreed.python)}, or start a server with this one"
        )


def refuse_unloadable(connection: Connection, spec: AppSpec) -> None:
    """For apps with functions that travel by value. Raises `VersionError` with the name of the first."""
    if found := refusal(connection):
        for function in spec.functions:
            if isinstance(function.definition, SerializedDefinition):
                raise VersionError(f"the function {function.name} would travel by value, and {found}")


def travels(connection: Connection) -> bool:
    """Whether the server has hosts beside its own machine, which do not have this program's files."""
    return connection.agreed is not None and connection.agreed.travels


def as_seen_from(connection: Connection, by_value: ByValue) -> ByValue:
    """What containers cannot import, or load by value either."""
    found = refusal(connection)
    return by_value.refused(found) if found else by_value


def refusal(connection: Connection) -> str:
    """Why no code can travel by value over a connection; empty: it can, or its server is of this process."""
    return "" if connection.agreed is None else refusal_of(connection.agreed)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
