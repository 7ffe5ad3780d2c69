"""A program for builds of OCI images: runs one function of a module, as `Image.run_function` says.

`python3 -P prepare.py SOURCE MODULE QUALNAME FILE [ARGUMENTS]`. It stands by itself until it has said where Motet and the
function are looked for: what the image has installed comes before Motet.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any


def main(source: str, module: str, qualname: str, file: str, arguments: str = "") -> None:
    """Raises what the function raises."""
    sys.path.insert(0, source)
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))
    from motet.context.container import enter_container
    from motet.model.function import FunctionSpec, ImportedDefinition
    from motet.runtime.loading.loader import load, quiet_declarations

    os.environ["MOTET_IS_REMOTE"] = os.environ["MODAL_IS_REMOTE"] = "1"
    enter_container("build")
    quiet_declarations()
    args, kwargs = _arguments(arguments)
    definition = ImportedDefinition(
        module=module, qualname=qualname, file=os.path.join(source, file), is_main=module == "__main__"
    )
    run(load(FunctionSpec(name=qualname, app_name="", definition=definition)).methods[""], args, kwargs)


def run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Call it, and see an async one through."""
    returned = function(*args, **kwargs)
    if inspect.iscoroutine(returned):
        asyncio.run(returned)


def _arguments(path: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not path:
        return (), {}
    import cloudpickle

    with open(path, "rb") as file:
        args, kwargs = cloudpickle.load(file)
    return args, kwargs


if __name__ == "__main__":
    main(*sys.argv[1:])
