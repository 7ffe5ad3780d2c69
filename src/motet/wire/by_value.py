"""What travels by value: classes and functions that the other side cannot import, as cloudpickle makes them."""

from __future__ import annotations

import operator
import sys
import weakref
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, BinaryIO

import cloudpickle
from cloudpickle.cloudpickle import _class_setstate, _dynamic_class_reduce

from motet.errors import VersionError
from motet.model.version import VERSION
from motet.wire.hello import PYTHON, Agreed

PROTOCOL = 5
MAIN = "__main__"
MAIN_IN_CONTAINERS = "__mp_main__"
"""The name under which a container imports the client's `__main__`, so that `if __name__ == "__main__":` does not run. It is
the one that `multiprocessing` has for it, whose children therefore find there what a container sends them."""


@dataclass(frozen=True, slots=True)
class ByValue:
    """The modules that the other side cannot import, and the names of `__main__` that are not in its copy of that.

    For a function or class that is wanted by value though its module can be imported: `code` is that itself, and
    `functions_of` its module if the other functions there are wanted by value, too. Classes keep their identity.
    `refusal`: why the other side can load no code that travels by value; empty: it can.
    """

    modules: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    code: Any = None
    functions_of: str | None = None
    refusal: str = ""
    _sought: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = self.modules | {MAIN} if self.names else self.modules
        object.__setattr__(self, "_sought", tuple(name.encode() for name in names))

    def may_be_in(self, data: bytes) -> bool:
        """False if a pickle certainly refers to none of them."""
        for name in self._sought:  # noqa: SIM110 - every call comes here, and a generator takes as long as the pickling
            if name in data:
                return True
        return False

    def forces(self, code: Any) -> bool:
        """Whether a class or function must not be referred to by its name."""
        if code is self.code or (isinstance(code, FunctionType) and code.__module__ == self.functions_of is not None):
            return True
        return code.__module__ in self.modules or (code.__module__ == MAIN and _outermost(code) in self.names)


NOTHING = ByValue()


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
        if user_cls not in _copies:
            _originals.add(user_cls)
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


# A class that went out by value and comes back is the one that is here, and not a copy of it: only classes that did not
# come by value themselves are noted as originals.
_copies: weakref.WeakSet[type] = weakref.WeakSet()
_originals: weakref.WeakSet[type] = weakref.WeakSet()


def fill_class(user_cls: type, state: Any) -> type:
    """Give a class that came by value its members. One that came back to where it is from keeps those it has."""
    if user_cls in _originals:
        return user_cls
    _copies.add(user_cls)
    return _class_setstate(user_cls, state)  # type: ignore[no-any-return]


def _is_in_main(code: Any) -> bool:
    """Whether `__main__` has this very class or function under its name."""
    if code.__module__ != MAIN:
        return False
    found: Any = sys.modules.get(MAIN)
    for part in code.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is code


def _outermost(code: Any) -> str:
    return str(code.__qualname__).partition(".")[0]


def refusal_of(theirs: Agreed) -> str:
    """Why the containers of a server can load no code that travels by value from here, and what to do; empty: they can.

    Bytecode is of one minor version of Python; what puts code together there is of cloudpickle's and of Motet's.
    """
    pairs = [
        ("Python", theirs.python, PYTHON, 2),
        ("cloudpickle", theirs.cloudpickle, str(cloudpickle.__version__), 1),
        ("Motet", theirs.motet, VERSION, 2),
    ]
    for what, there, here, parts in pairs:
        if there and there.split(".")[:parts] != here.split(".")[:parts]:
            return (
                f"the server's containers have {what} {there}, which cannot load it from {what} {here}: put it into a module "
                f"that they can import, or use the same {what} on both sides"
            )
    return ""
