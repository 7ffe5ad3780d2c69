"""Whether another process can import a module of this one by its name."""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import sys
from types import ModuleType


def is_importable(module: ModuleType) -> bool:
    """Whether its name finds its file, in a process with the same search path. Nothing is imported."""
    file = getattr(module, "__file__", None)
    found = _find(module.__name__)
    if found is None:
        return False
    if file is None:
        return found.origin in (None, "built-in", "frozen") or found.submodule_search_locations is not None
    return found.origin is not None and os.path.abspath(found.origin) == os.path.abspath(file)


def _find(name: str) -> importlib.machinery.ModuleSpec | None:
    """Not `importlib.util.find_spec`, which believes what is in `sys.modules`."""
    parent = name.rpartition(".")[0]
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    if parent and path is None:
        return None
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        with contextlib.suppress(Exception):  # of finders that programs bring along
            if find is not None and (spec := find(name, path)) is not None:
                return spec  # type: ignore[no-any-return]
    return None
