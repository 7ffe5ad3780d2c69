"""What travels by value: classes and functions that the other side cannot import. How they do, `pickler.py` says."""

from __future__ import annotations

import weakref
from types import FunctionType
from typing import Any

from motet.model.version import VERSION
from motet.wire.hello import PYTHON, Agreed

PROTOCOL = 5
MAIN = "__main__"
MAIN_IN_CONTAINERS = "__mp_main__"
"""The name under which a container imports the client's `__main__`, so that `if __name__ == "__main__":` does not run. It is
the one that `multiprocessing` has for it, whose children therefore find there what a container sends them."""


class ByValue:
    """The modules that the other side cannot import, and the names of `__main__` that are not in its copy of that.

    For a function or class that is wanted by value though its module can be imported: `code` is that itself, and
    `functions_of` its module if the other functions there are wanted by value, too. Classes keep their identity.
    `refusal`: why the other side can load no code that travels by value; empty: it can.
    """

    __slots__ = ("_sought", "code", "functions_of", "modules", "names", "refusal")

    def __init__(
        self,
        modules: frozenset[str] = frozenset(),
        names: frozenset[str] = frozenset(),
        code: Any = None,
        functions_of: str | None = None,
        refusal: str = "",
    ) -> None:
        self.modules = modules
        self.names = names
        self.code = code
        self.functions_of = functions_of
        self.refusal = refusal
        self._sought = tuple(name.encode() for name in (modules | {MAIN} if names else modules))

    def wanting(self, code: Any, functions_of: str | None) -> ByValue:
        """The same, and `code` with the other functions of that module as well."""
        return ByValue(self.modules, self.names, code, functions_of, self.refusal)

    def refused(self, refusal: str) -> ByValue:
        """The same for another side that can load none of it."""
        return ByValue(self.modules, self.names, self.code, self.functions_of, refusal)

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


# A class that went out by value and comes back is the one that is here, and not a copy of it: only classes that did not
# come by value themselves are noted as originals.
copies: weakref.WeakSet[type] = weakref.WeakSet()
originals: weakref.WeakSet[type] = weakref.WeakSet()


def fill_class(user_cls: type, state: Any) -> type:
    """Give a class that came by value its members. One that came back to where it is from keeps those it has."""
    if user_cls in originals:
        return user_cls
    copies.add(user_cls)
    from cloudpickle.cloudpickle import _class_setstate  # late, here as below: what is by value comes with it

    return _class_setstate(user_cls, state)  # type: ignore[no-any-return]


def _outermost(code: Any) -> str:
    return str(code.__qualname__).partition(".")[0]


def refusal_of(theirs: Agreed) -> str:
    """Why the containers of a server can load no code that travels by value from here, and what to do; empty: they can.

    Bytecode is of one minor version of Python; what puts code together there is of cloudpickle's and of Motet's.
    """
    import cloudpickle

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
