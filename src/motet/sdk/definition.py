"""Where the code of a declared function or class is found: by importing its module, or in a pickle of it."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import cloudpickle

from motet.errors import InvalidError, SerializationError
from motet.model.function import ImportedDefinition, SerializedDefinition
from motet.sdk.cls import Cls
from motet.sdk.function import Function
from motet.sdk.main_module import main_by_value
from motet.sdk.notices import warn_user
from motet.sdk.partials import PartialClass, PartialFunction, PartialMethod
from motet.wire.by_value import PROTOCOL

MAX_SERIALIZED_BYTES = 16 * 2**20
LARGE_SERIALIZED_BYTES = 256 * 2**10

Code = Callable[..., Any] | type[Any]


def unwrap(declared: Any) -> Any:
    """The user's function or class under whatever decorators of ours made `declared`; other values as they are."""
    match declared:
        case Function():
            return declared.raw
        case Cls() | PartialClass():
            return declared.user_cls
        case PartialFunction() | PartialMethod():
            return declared.raw
        case _:
            return declared


def check_scope(code: Code, *, serialized: bool) -> None:
    """Raises `InvalidError` for code that a container cannot find: methods, and what is local to a function."""
    qualname = code.__qualname__
    parent = qualname.rpartition(".")[0]
    if not isinstance(code, type) and parent and not parent.endswith("<locals>"):
        raise InvalidError(
            "The `@app.function` decorator cannot be used on class methods. Swap with `@motet.method`, and decorate the "
            f"class with `@app.cls()`. (It was used on {qualname}.)"
        )
    if serialized or ("<locals>" not in qualname and "<lambda>" not in qualname):
        return
    if isinstance(code, type):
        raise InvalidError(
            "The `@app.cls` decorator must apply to classes in global scope, unless `serialized=True` is set. "
            f"(It was used on {qualname}.)"
        )
    raise InvalidError(
        "The `@app.function` decorator must apply to functions in global scope, unless `serialized=True` is set. "
        "If trying to apply additional decorators, they may need to use `functools.wraps`. "
        f"(It was used on {qualname}.)"
    )


def public_name(code: Code) -> str:
    """What a function is called if nobody says otherwise: its qualified name, from the innermost function it is in."""
    return code.__qualname__.rpartition("<locals>.")[2]


def define(
    code: Code, *, serialized: bool, handle: Cls[Any] | None = None
) -> ImportedDefinition | SerializedDefinition:
    """Where a container finds `code`. By value if `serialized`, or if nobody can import it (notebooks, the prompt).

    A class travels by value inside of its `handle`, if given: then its objects' methods are functions there as well.
    To be called when the app starts: what travels by value has its globals as they are now. Raises `SerializationError`,
    and `InvalidError` over 16 MiB.
    """
    if serialized or (code.__module__ == "__main__" and (main_by_value() or _made_in_a_cell(code))):
        return SerializedDefinition(pickled=_pickled(code, handle or code), qualname=code.__qualname__)
    if code.__module__ == "__main__":
        main = sys.modules["__main__"]
        name = main.__spec__.name if main.__spec__ is not None else "__main__"
        return ImportedDefinition(module=name, qualname=code.__qualname__, file=_file_of(main), is_main=True)
    module = sys.modules.get(code.__module__)
    return ImportedDefinition(module=code.__module__, qualname=code.__qualname__, file=_file_of(module))


def _made_in_a_cell(code: Code) -> bool:
    """Also a program with a file can define functions at a prompt (`ipython -i file.py`, an embedded shell)."""
    candidates = vars(code).values() if isinstance(code, type) else (code,)
    functions = [raw for it in candidates if inspect.isfunction(raw := inspect.unwrap(unwrap(it), stop=_is_class))]
    return bool(functions) and not any(os.path.isfile(it.__code__.co_filename) for it in functions)


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


def _file_of(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return None if file is None else os.path.abspath(file)


def _pickled(code: Code, carrier: Any) -> bytes:
    what = f"{'class' if isinstance(code, type) else 'function'} {code.__qualname__}"
    try:
        with _module_by_value(code.__module__):
            data: bytes = cloudpickle.dumps(carrier, PROTOCOL)
    except Exception as error:
        raise SerializationError(
            f"could not pickle {what}: {type(error).__name__}: {error}. It travels by value, with the global variables "
            "it uses; make such objects inside of it."
        ) from error
    size = f"{what} is {len(data) / 2**20:.2f} MiB when pickled with the global variables it uses"
    if len(data) > MAX_SERIALIZED_BYTES:
        raise InvalidError(f"{size}; the limit is 16 MiB. Pass large values as arguments instead of global variables.")
    if len(data) > LARGE_SERIALIZED_BYTES:
        warn_user(
            UserWarning(f"{size}; more than 256 KiB makes containers start slowly. Pass large values as arguments.")
        )
    return data


@contextmanager
def _module_by_value(name: str) -> Iterator[None]:
    """cloudpickle refers to what an importable module has, unless told that the module is not there on the other side."""
    module = sys.modules.get(name)
    if module is None or name == "__main__" or name in cloudpickle.list_registry_pickle_by_value():
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
