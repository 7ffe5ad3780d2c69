"""`__main__`: which module that is, and what of it other processes find when they import it."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from types import FunctionType, ModuleType
from typing import Any

from motet.context.guarded_names import guarded_names
from motet.wire.by_value import MAIN, MAIN_IN_CONTAINERS


def is_main(code: Any) -> bool:
    """Whether a class or function is of the program's `__main__`, under whatever name that goes here."""
    return code.__module__ in (MAIN, MAIN_IN_CONTAINERS)


def main_by_value() -> bool:
    """True if nobody else can import `__main__`: it is a notebook, a prompt, standard input, or `python -c`."""
    return not _is_file(getattr(sys.modules.get(MAIN), "__file__", None))


def may_be_declared_again(code: Any) -> bool:
    """True for code of a notebook's cell or a prompt: running it again is no mistake."""
    return getattr(code, "__module__", None) == MAIN and main_by_value()


def names_not_elsewhere() -> frozenset[str]:
    """The names that `__main__` has here alone: what is defined under `if __name__ == "__main__":`."""
    file = getattr(sys.modules.get(MAIN), "__file__", None)
    return guarded_names(file) if file is not None and _is_file(file) else frozenset()


def know_container_name() -> None:
    """Let what containers pickle of their copy of `__main__` be found in the real one here."""
    if not main_by_value():
        sys.modules[MAIN_IN_CONTAINERS] = sys.modules[MAIN]


def adopt_main(code: Any) -> None:
    """Have `sys.modules["__main__"]` be the program that `code` is of, where a profiler or tracer keeps that name to itself
    and runs the program with globals of its own: pickle looks for classes there."""
    for function in _functions_of(code):
        program, main = function.__globals__, sys.modules.get(MAIN)
        file = program.get("__file__")
        if program.get("__name__") != MAIN or function.__code__.co_filename != file or not _is_file(file):
            continue
        if main is None or (program is not vars(main) and vars(main).get("_namespace") is not program):
            sys.modules[MAIN] = _ProgramModule(program)
        return


def _functions_of(code: Any) -> list[FunctionType]:
    candidates = vars(code).values() if isinstance(code, type) else (code,)
    raws = (inspect.unwrap(getattr(it, "raw", it), stop=lambda at: isinstance(at, type)) for it in candidates)
    return [raw for raw in raws if isinstance(raw, FunctionType)]


class _ProgramModule(ModuleType):
    """A module whose members are the globals of a program."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        super().__init__(MAIN, namespace.get("__doc__"))
        given: dict[str, Any] = {
            name: namespace[name] for name in ("__file__", "__spec__", "__package__") if name in namespace
        }
        vars(self).update(given, _namespace=namespace)

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(self)["_namespace"][name]
        except KeyError:
            raise AttributeError(f"module {MAIN!r} has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)["_namespace"][name] = value

    def __dir__(self) -> list[str]:
        return list(vars(self)["_namespace"])


@functools.cache
def _is_file(path: str | None) -> bool:
    return path is not None and os.path.isfile(path)
