"""Where the code of a declared function or class is found: by importing its module, or in a pickle of it."""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from motet.context.importable import is_importable
from motet.context.main_module import is_main, main_by_value, names_not_elsewhere
from motet.context.notices import warn_user
from motet.errors import InvalidError, SerializationError
from motet.model.function import ImportedDefinition, SerializedDefinition
from motet.sdk.call.function import Function
from motet.sdk.declare.cls import Cls, classes_with_code
from motet.sdk.declare.partials import PartialClass, PartialFunction, PartialMethod
from motet.sdk.options.checks import plain
from motet.wire.by_value import MAIN, ByValue

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


def place_of(code: Code, *, serialized: bool) -> ImportedDefinition | None:
    """Where a container finds `code` by its name. None: nowhere, it travels by value.

    So does what `serialized` asks for, what nobody can import (notebooks, the prompt), and what has a name by which something
    else is found: made in a loop, defined again, of the same name in another app.
    """
    if serialized or _found(code) is not code:
        return None
    if not is_main(code):
        module = sys.modules.get(code.__module__)
        return ImportedDefinition(module=code.__module__, qualname=code.__qualname__, file=_file_of(module))
    if main_by_value() or code.__qualname__.partition(".")[0] in names_not_elsewhere() or _made_in_a_cell(code):
        return None
    main = sys.modules[MAIN]
    spec = getattr(main, "__spec__", None)  # debuggers leave a `__main__` without
    return ImportedDefinition(
        module=MAIN if spec is None else plain(spec.name), qualname=code.__qualname__, file=_file_of(main), is_main=True
    )


def by_value_of(
    code: Code, by_value: ByValue, *, serialized: bool, handle: Cls[Any] | None = None
) -> SerializedDefinition:
    """`code` for a container that does not find it by its name; `by_value`: what else that cannot import.

    A class travels by value inside of its `handle`, if given: then its objects' methods are functions there as well.
    To be called when the app starts: what travels by value has its globals as they are now. Raises `SerializationError`,
    and `InvalidError` over 16 MiB.
    """
    wanted = by_value.wanting(code, code.__module__ if serialized else None)
    why = "" if serialized or is_main(code) else f", since {code.__module__} has something else by its name"
    return SerializedDefinition(pickled=_pickled(code, handle or code, wanted, why), qualname=code.__qualname__)


def out_of_reach(code: Code) -> str | None:
    """The name of the code's module, if no other process can import that."""
    module = sys.modules.get(code.__module__)
    return None if is_main(code) or (module is not None and is_importable(module)) else code.__module__


def _found(code: Code) -> Any:
    """What has the name of `code` in its module."""
    found: Any = sys.modules.get(MAIN if is_main(code) else code.__module__)
    for part in code.__qualname__.split("."):
        try:
            found = inspect.getattr_static(found, part) if isinstance(found, type) else getattr(found, part)
        except AttributeError:
            return None
        found = unwrap(found)
    return found


def _made_in_a_cell(code: Code) -> bool:
    """Also a program with a file can define functions at a prompt (`ipython -i file.py`, an embedded shell)."""
    candidates = vars(code).values() if isinstance(code, type) else (code,)
    functions = [raw for it in candidates if inspect.isfunction(raw := inspect.unwrap(unwrap(it), stop=_is_class))]
    return bool(functions) and not any(os.path.isfile(it.__code__.co_filename) for it in functions)


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


def _file_of(module: ModuleType | None) -> str | None:
    file = getattr(module, "__file__", None)
    return None if file is None else plain(os.path.abspath(file))


def _pickled(code: Code, carrier: Any, by_value: ByValue, why: str) -> bytes:
    from motet.wire.pickler import Pickler  # late: most code is imported where it runs

    what = f"{'class' if isinstance(code, type) else 'function'} {code.__qualname__}"
    buffer = io.BytesIO()
    try:
        with classes_with_code():
            Pickler(buffer, by_value).dump(carrier)
    except Exception as error:
        raise SerializationError(
            f"could not pickle {what}: {type(error).__name__}: {error}. It travels by value{why}, with the global variables "
            f"it uses; make such objects inside of it{', or give it a name of its own' if why else ''}."
        ) from error
    data = buffer.getvalue()
    size = f"{what} is {len(data) / 2**20:.2f} MiB when pickled with the global variables it uses"
    if len(data) > MAX_SERIALIZED_BYTES:
        raise InvalidError(f"{size}; the limit is 16 MiB. Pass large values as arguments instead of global variables.")
    if len(data) > LARGE_SERIALIZED_BYTES:
        warn_user(
            UserWarning(f"{size}; more than 256 KiB makes containers start slowly. Pass large values as arguments.")
        )
    return data
