"""The program's main module in a container: imported under another name, and only where it is needed."""

from __future__ import annotations

import builtins
import importlib.machinery
import os
import sys
import threading
from types import ModuleType
from typing import Any

from motet.errors import ExecutionError
from motet.model.function import ImportedDefinition
from motet.wire.by_value import MAIN, MAIN_IN_CONTAINERS

_lock = threading.RLock()


def import_main(definition: ImportedDefinition) -> ModuleType:
    """The program from its file, whatever that is called, with what stands under its guard left out.

    It is `__main__` as well, where pickles look for its classes, and looks to `multiprocessing` as it does at home, so that
    the children of a container find it. Raises what it raises, and `ExecutionError` if its file is not there.
    """
    file = definition.file
    assert file is not None
    with _lock:
        main = sys.modules.get(MAIN)
        if main is not None and not isinstance(main, LateMain) and _is_from(main, file):
            return main
        if not os.path.exists(file):
            raise ExecutionError(f"the program cannot be imported here: its file {file} is not there")
        module = ModuleType(MAIN_IN_CONTAINERS)
        _look_as_at_home(module, definition.module, file)
        before = {name: sys.modules.get(name) for name in (MAIN, MAIN_IN_CONTAINERS)}
        sys.modules[MAIN] = sys.modules[MAIN_IN_CONTAINERS] = module
        try:
            exec(_code_of(file), vars(module))
        except BaseException:
            for name, it in before.items():
                sys.modules.pop(name) if it is None else sys.modules.update({name: it})
            raise
        return module


def _is_from(module: ModuleType, file: str) -> bool:
    its = getattr(module, "__file__", None)
    return its is not None and os.path.abspath(its) == file


def _code_of(file: str) -> Any:
    if file.endswith(".pyc"):
        return importlib.machinery.SourcelessFileLoader(MAIN_IN_CONTAINERS, file).get_code(MAIN_IN_CONTAINERS)
    loader = importlib.machinery.SourceFileLoader(MAIN_IN_CONTAINERS, file)
    if file.endswith(".py"):
        return loader.get_code(MAIN_IN_CONTAINERS)
    # Compiled anew: what would be kept of `tool` has the same name as that of `tool.py`.
    return loader.source_to_code(loader.get_data(file), file)


def _look_as_at_home(module: ModuleType, name: str, file: str) -> None:
    """A script has no `__spec__`; what was run with `-m` has that of its module, by which children import it."""
    package = name.rpartition(".")[0]
    module.__file__ = file
    module.__package__ = package or None
    module.__spec__ = None if name == MAIN else importlib.machinery.ModuleSpec(name, None, origin=file)
    module.__builtins__ = builtins  # type: ignore[attr-defined]


class LateMain(ModuleType):
    """`__main__` in a container whose function is of another module: imported when something of it arrives."""

    def __init__(self, definition: ImportedDefinition) -> None:
        super().__init__(MAIN)
        vars(self).update(_definition=definition, __file__=definition.file)

    def __getattr__(self, name: str) -> Any:
        # Whoever looks through `sys.modules` asks for such names, and wants nothing imported.
        if name.startswith("__"):
            raise AttributeError(f"module {MAIN!r} has no attribute {name!r}")
        return getattr(import_main(vars(self)["_definition"]), name)


def know_main(definition: ImportedDefinition) -> None:
    """Have the program imported as soon as something of it is asked for."""
    late = LateMain(definition)
    _look_as_at_home(late, definition.module, definition.file or "")
    sys.modules[MAIN] = sys.modules[MAIN_IN_CONTAINERS] = late
