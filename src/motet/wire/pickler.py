"""How classes and functions travel by value: as cloudpickle makes them, but for those that the other side has."""

from __future__ import annotations

import operator
import sys
from types import FunctionType
from typing import Any, BinaryIO

import cloudpickle
from cloudpickle.cloudpickle import _class_setstate, _dynamic_class_reduce

from motet.errors import VersionError
from motet.wire.by_value import MAIN, NOTHING, PROTOCOL, ByValue, copies, fill_class, originals


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle's, but for `__main__`: what the other side has there is referred to, and so keeps its identity."""

    def __init__(self, buffer: BinaryIO, by_value: ByValue = NOTHING) -> None:
        super().__init__(buffer, protocol=PROTOCOL)
        self._by_value = by_value

    def reducer_override(self, value: Any) -> Any:
        """As `pickle.Pickler` asks for it."""
        if isinstance(value, type):
            return self._reduced_class(value)
        if isinstance(value, FunctionType):
            return self._reduced_function(value)
        return super().reducer_override(value)

    def _reduced_class(self, user_cls: type) -> Any:
        generic = vars(user_cls).get("__pydantic_generic_metadata__")
        if generic is not None and generic["origin"] is not None:
            # `Page[Item]` is a class that no module has; made of the other side's parts, it is the one that is there.
            arguments = generic["args"]
            return (operator.getitem, (generic["origin"], arguments if len(arguments) > 1 else arguments[0]))
        if self._by_value.forces(user_cls):
            reduced = _dynamic_class_reduce(user_cls)
        elif _is_in_main(user_cls):
            return NotImplemented
        else:
            reduced = super().reducer_override(user_cls)
        if reduced is NotImplemented or reduced[-1] is not _class_setstate:
            return reduced
        self._check(user_cls)
        if user_cls not in copies:
            originals.add(user_cls)
        return (*reduced[:-1], fill_class)

    def _reduced_function(self, function: FunctionType) -> Any:
        if self._by_value.forces(function):
            return self._dynamic_function_reduce(function)
        return NotImplemented if _is_in_main(function) else super().reducer_override(function)

    def _dynamic_function_reduce(self, function: FunctionType) -> Any:
        self._check(function)
        return super()._dynamic_function_reduce(function)

    def _check(self, code: Any) -> None:
        if self._by_value.refusal:
            what = f"{code.__module__}.{code.__qualname__}"
            raise VersionError(f"{what} would travel by value, and {self._by_value.refusal}")


def _is_in_main(code: Any) -> bool:
    """Whether `__main__` has this very class or function under its name."""
    if code.__module__ != MAIN:
        return False
    found: Any = sys.modules.get(MAIN)
    for part in code.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is code
