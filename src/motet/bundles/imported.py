"""The modules that a program has imported from source of its own: neither the environment's nor Motet's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Literal

import msgspec

from motet.bundles.environment import in_environment
from motet.errors import InvalidError
from motet.wire.by_value import MAIN, MAIN_IN_CONTAINERS

_OURS = "motet"
_NEVER = {MAIN, MAIN_IN_CONTAINERS, "__mp_main__", "sitecustomize", "usercustomize"}

Kind = Literal["module", "package", "namespace", "archive"]


class Imported(msgspec.Struct, frozen=True):
    """A module: `place` is its file, the directory of a package, or the archive (zip) that it was read from."""

    name: str
    kind: Kind
    place: str

    @property
    def root(self) -> str | None:
        """The directory in which its outermost package is found by name; None if it was found some other way."""
        if self.kind == "archive":
            return os.path.dirname(self.place)
        parts = self.name.split(".")
        directory, last = os.path.split(self.place)
        found = [last if self.kind != "module" else last.partition(".")[0]]
        for _ in parts[1:]:
            directory, last = os.path.split(directory)
            found.insert(0, last)
        return directory if found == parts else None


def imported(modules: Mapping[str, object] = sys.modules) -> set[Imported]:
    """Those that travel. Raises `InvalidError` for one that cannot."""
    return {it for name, module in list(modules.items()) for it in _of(name, module)}


def _of(name: str, module: object) -> Iterator[Imported]:
    about = _about(module)
    if name.partition(".")[0] == _OURS or name in _NEVER or about.get("__name__") != name:
        return
    file, spec = about.get("__file__"), about.get("__spec__")
    if not isinstance(file, str):
        for path in _portions(about):
            yield Imported(name, "namespace", path)
        return
    file = os.path.abspath(file)
    if in_environment(file):
        return
    if os.path.isfile(file):
        is_package = "__path__" in about
        yield Imported(name, "package" if is_package else "module", os.path.dirname(file) if is_package else file)
        return
    archive = getattr(getattr(spec, "loader", None), "archive", None)
    if isinstance(archive, str) and os.path.isfile(archive):
        if not in_environment(os.path.abspath(archive)):
            yield Imported(name, "archive", os.path.abspath(archive))
        return
    if spec is not None and os.path.isabs(about["__file__"]):
        raise InvalidError(
            f"module {name} cannot travel with a deployment: it was imported from {file}, which is no file (any more). If "
            "the file is gone, import it anew; if an editable install made it, install the package as it is (pip install .)"
        )


def _about(module: object) -> dict[str, Any]:
    """Without waking modules that are loaded when something of them is asked for."""
    try:
        found = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(module, ModuleType) else {}


def _portions(about: dict[str, Any]) -> Iterator[str]:
    """The directories of a package without `__init__.py`."""
    try:
        paths = [os.path.abspath(path) for path in about.get("__path__") or ()]
    except Exception:  # of path objects that programs bring along
        return
    for path in dict.fromkeys(paths):
        if not in_environment(path) and os.path.isdir(path):
            yield path
