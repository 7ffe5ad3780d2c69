"""A program for builds of images: runs one function of a module, as `Image.run_function` says.

`python3 -P prepare.py SOURCE MODULE QUALNAME [ARGUMENTS]`. It stands by itself until it has said where Motet and the function
are looked for: what the image has installed comes first.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from operator import attrgetter


def main(source: str, module: str, qualname: str, arguments: str = "") -> None:
    """Raises what the function raises."""
    sys.path.insert(0, source)
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))
    os.environ["MOTET_IS_REMOTE"] = os.environ["MODAL_IS_REMOTE"] = "1"
    args, kwargs = (), {}
    if arguments:
        import cloudpickle

        with open(arguments, "rb") as file:
            args, kwargs = cloudpickle.load(file)
    attrgetter(qualname)(_module(source, module))(*args, **kwargs)


def _module(source: str, name: str) -> object:
    if name != "__main__":
        return importlib.import_module(name)
    # A script: the one file there is.
    (file,) = (it for it in os.listdir(source) if it.endswith(".py"))
    spec = importlib.util.spec_from_file_location("__motet_prepared__", os.path.join(source, file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
