"""Whether the interpreter of an image's environment can run Motet before anything of that environment does."""

from __future__ import annotations

import os
from pathlib import Path

_LOADED = ("cloudpickle", "msgspec", "uvloop")
"""What Motet has loaded in each container, and user code may use: it is not to be of another version than the environment's."""


def runtime_without_environment(python: str) -> str:
    """The directory with Motet and all that it needs, if it can be imported without the environment of this interpreter, and is
    what would be imported with it. Else it is empty: the environment has a version of its own of something, or is of
    another Python than Motet's. Only names of files are looked at."""
    said = list(Path(python).parent.parent.glob("lib/python*/site-packages/motet_runtime.pth"))
    if len(said) != 1:
        return ""
    packages = said[0].parent
    runtime = Path(os.path.normpath(packages / said[0].read_text().strip()))
    if all(_is_the_same(name, packages, runtime) for name in _LOADED):
        return str(runtime)
    return ""


def _is_the_same(name: str, packages: Path, runtime: Path) -> bool:
    if not (runtime / name).exists():
        return False
    own, ours = (sorted(each.name for each in place.glob(f"{name}-*.dist-info")) for place in (packages, runtime))
    return own == ours if own else not any((packages / f"{name}{end}").exists() for end in ("", ".py"))
