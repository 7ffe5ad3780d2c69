"""Decorators of other people around Motet's: what those left behind is hidden there, and would be forgotten without a word."""

from __future__ import annotations

import functools
from types import CellType, FunctionType
from typing import Any

from motet.errors import InvalidError
from motet.sdk.declare.partials import PartialFunction, PartialMethod

MAX_DEPTH = 5


def refuse_hidden(value: Any, decorated: str) -> None:
    """Raises `InvalidError` if `value` is a wrapper of something that is under a decorator of Motet's; `decorated` names it."""
    found = _under(value, MAX_DEPTH)
    if found is None:
        return
    ours = "@motet.method() or the like" if isinstance(found, PartialMethod) else "@motet.concurrent or the like"
    raise InvalidError(
        f"{decorated} has another decorator above `{ours}`, where Motet cannot see its own. Hint: swap the order of the "
        "decorators; Motet's come first."
    )


def _under(value: Any, depth: int) -> PartialFunction | PartialMethod[..., Any] | None:
    for inner in _wrapped(value):
        if isinstance(inner, PartialFunction | PartialMethod):
            return inner
        if depth and (found := _under(inner, depth - 1)) is not None:
            return found
    return None


def _wrapped(value: Any) -> list[Any]:
    """What a wrapper may wrap: as `functools.wraps` says, as `partial`, `property` and `classmethod` do, or in a closure.

    Other objects are not asked: who knows what they do then.
    """
    match value:
        case FunctionType():
            return [
                value.__dict__.get("__wrapped__"),
                *(it for cell in value.__closure__ or () for it in _contents(cell)),
            ]
        case staticmethod() | classmethod():
            return [value.__func__]
        case property():
            return [value.fget]
        case functools.partial() | functools.partialmethod() | functools.cached_property():
            return [value.func]
    return []


def _contents(cell: CellType) -> list[Any]:
    try:
        contents = cell.cell_contents
    except ValueError:  # empty
        return []
    return [contents] if isinstance(contents, PartialFunction | PartialMethod) else []
