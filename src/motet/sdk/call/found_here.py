"""What a handle that was unpickled names, if the program has it here already."""

from __future__ import annotations

import sys
from typing import Any

from motet.model.function import FunctionSpec


def found_here(kind: type, spec: FunctionSpec, module: str, qualname: str) -> Any:
    """The handle of this kind that a module has for a function, if the module was imported; None if not.

    Nothing is imported: a name must not have code run.
    """
    first, *rest = qualname.split(".")
    found = vars(sys.modules[module]).get(first) if module in sys.modules else None
    for part in rest:
        found = getattr(found, part, None)
    if not isinstance(found, kind):
        return None
    here: FunctionSpec = found.target.declared  # type: ignore[attr-defined]
    return found if (here.app_key, here.key) == (spec.app_key, spec.key) else None
