"""Which app of a program is which: a key for each that a container comes to as well, by running the same modules.

Names do not tell: apps may have none, or the same.
"""

from __future__ import annotations

import sys
from pathlib import PurePath
from types import FrameType
from typing import Any

_OURS = __name__.partition(".")[0]


class _Module:
    """One execution of a module: the places in it that made apps, by their name."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.spec = names.get("__spec__")
        self.places: dict[str, list[tuple[int, int]]] = {}

    def is_execution_of(self, names: dict[str, Any]) -> bool:
        """False when the module was reloaded, or run once more: it makes the same apps again."""
        return self.names is names and self.spec is names.get("__spec__")


_modules: dict[str, _Module] = {}


def app_key(name: str) -> str:
    """The key of an app of this name ("": none) that the calling module makes.

    It is made of the module's file and of a number that tells apps of one name in it apart, not of line numbers: a file that
    is edited while its app runs has the same apps in the containers that start then. Apps made at one place, in a loop or
    by a function, have the same key.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == _OURS:
        frame = frame.f_back
    if frame is None:
        return name
    names = frame.f_globals
    file = names.get("__file__")
    known_as = "/".join(PurePath(file).parts[-2:]) if isinstance(file, str) else str(names.get("__name__"))
    module = _modules.get(known_as)
    if module is None or not module.is_execution_of(names):
        module = _modules[known_as] = _Module(names)
    places = module.places.setdefault(name, [])
    here = (frame.f_lineno, frame.f_lasti)
    if here not in places:
        places.append(here)
    number = places.index(here)
    return f"{name}@{known_as}" if number == 0 else f"{name}@{known_as}#{number}"
