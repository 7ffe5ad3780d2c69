"""An exception as bytes: all of it if that can be pickled, else as much of it as can, and always of its own class."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any

from motet.wire.by_value import NOTHING, PROTOCOL, ByValue, fill_class
from motet.wire.exceptions import (
    Parts,
    Told,
    as_its_class_says,
    attributes_of,
    group_of,
    parts_of,
    put_together,
    taken_apart,
    told,
)
from motet.wire.left_behind import LeftBehind, NotHere, left, stand_in
from motet.wire.pickler import Pickler

MAX_PART_BYTES = 1024 * 1024
"""Of an exception that is too large as a whole, larger arguments and attributes are left behind."""


def dumps(error: BaseException, text: str, limit: int, by_value: ByValue = NOTHING) -> bytes | None:
    """An exception as bytes, at most `limit` of them, which can be read here as well; `text` is what it says.

    Its `__init__` is not called where they are read. What of it cannot be pickled is left behind. None if nothing can.
    """
    # From the one that keeps most to the one that keeps least; the last two make it smaller as well.
    ways: list[Callable[[], bytes]] = [
        lambda: _checked(_pickled(error, limit, by_value, own=True), error, as_own=True),
        lambda: _checked(_pickled(error, limit, by_value), error),
        lambda: _checked(_pickled(error, limit, by_value, tolerant=True), error),
        lambda: _checked(_pickled(error, limit, by_value, own=True, tolerant=True), error),
        lambda: _checked(_pickled_in_parts(error, limit, by_value), error),
        lambda: _pickled_as_told(error, text, limit, by_value),
    ]
    while ways:
        try:
            return ways.pop(0)()
        except _TooLargeError:
            del ways[:-2]  # as a whole it is that in any way
        except BaseException:  # whatever the user's classes raise
            continue
    return None


def loads(data: bytes | memoryview) -> BaseException:
    """The exception. Modules that are missing here leave out what is of them. Raises what pickle raises, for its class."""
    try:
        error = pickle.loads(data)
    except Exception as problem:
        try:
            error = _TolerantUnpickler(io.BytesIO(data)).load()
        except Exception:
            raise problem from None
    if not isinstance(error, BaseException):
        raise pickle.UnpicklingError(f"it unpickled to {type(error).__name__}, which is no exception")
    return error


def _checked(data: bytes, error: BaseException, *, as_own: bool = False) -> bytes:
    """Raises if the bytes make something else: an exception of another class, or one whose text cannot be had. A class
    whose own way (`as_own`) gives another text has a mistake there."""
    made = _OwnUnpickler(io.BytesIO(data)).load()
    said, says = _said(error), _said(made)
    same = isinstance(made, BaseException) and said == says if as_own else type(made) is type(error)
    if not same or (says is None and said is not None):
        raise pickle.PicklingError(f"it unpickled to {type(made).__name__}: {says}")
    return data


def _said(error: BaseException) -> str | None:
    try:
        return str(error)
    except BaseException:
        return None


class _TooLargeError(Exception):
    """A pickle grew over its limit."""


class _Bounded(io.BytesIO):
    """Takes so many bytes and no more: what an exception holds on to may be gigabytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._room = limit

    def write(self, data: Any) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise _TooLargeError
        return super().write(data)


def _pickled(value: Any, limit: int, by_value: ByValue, *, own: bool = False, tolerant: bool = False) -> bytes:
    buffer = _Bounded(limit)
    (_TolerantPickler if tolerant else _ExceptionPickler)(buffer, by_value, own).dump(value)
    return buffer.getvalue()


def _pickled_in_parts(error: BaseException, limit: int, by_value: ByValue) -> bytes:
    call = _CallOf(put_together, type(error), _lighter_parts(error, by_value), _lighter_group(error, by_value))
    return _pickled(call, limit, by_value, tolerant=True)


def _pickled_as_told(error: BaseException, text: str, limit: int, by_value: ByValue) -> bytes:
    data = _pickled(_CallOf(told, type(error), text, _lighter_parts(error, by_value)), limit, by_value, tolerant=True)
    _OwnUnpickler(io.BytesIO(data)).load()
    return data


def _lighter_parts(error: BaseException, by_value: ByValue) -> Parts:
    """The parts of an exception that can be pickled and are not too large, without what it is chained to."""

    def named(parts: Any) -> dict[str, Any]:
        return {name: it for name, it in parts.items() if _travels(it, by_value)}

    parts = parts_of(error)
    args = tuple(it if _travels(it, by_value) else stand_in(it) for it in parts["args"])
    return {"args": args, "attributes": named(attributes_of(error)), "fields": named(parts["fields"])}


def _lighter_group(error: BaseException, by_value: ByValue) -> tuple[Any, ...]:
    """What a group holds, where that is too large in parts as well."""
    if not (group := group_of(error)):
        return ()
    message, members = group
    return (message, [it if _travels(it, by_value) else _lighter(it, by_value) for it in members])


def _lighter(error: BaseException, by_value: ByValue) -> BaseException:
    return put_together(type(error), _lighter_parts(error, by_value), _lighter_group(error, by_value))


def _travels(part: Any, by_value: ByValue) -> bool:
    try:
        _OwnUnpickler(io.BytesIO(_pickled(part, MAX_PART_BYTES, by_value, tolerant=True))).load()
    except Exception:
        return False
    return True


class _CallOf:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


class _ExceptionPickler(Pickler):
    """Takes exceptions apart, `own`: those whose classes have a way of their own as these say."""

    def __init__(self, buffer: io.BytesIO, by_value: ByValue, own: bool) -> None:
        super().__init__(buffer, by_value)
        self._own = own

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, BaseException):
            return super().reducer_override(value)
        if isinstance(value, Told):
            return value.__reduce__()
        return (as_its_class_says(value) if self._own else None) or taken_apart(value)


class _TolerantPickler(_ExceptionPickler):
    """Leaves behind what cannot be pickled: an object without a way, and one whose end has effects if any of it has none."""

    def reducer_override(self, value: Any) -> Any:
        reduced = super().reducer_override(value)
        if isinstance(value, BaseException) and len(reduced) > 2 and isinstance(parts := reduced[2], dict):
            attributes = parts["attributes"]
            if isinstance(attributes, dict):
                kept = {name: it for name, it in attributes.items() if not self._is_left(it)}
                return (*reduced[:2], {**parts, "attributes": kept}, *reduced[3:])
        if reduced is not NotImplemented or isinstance(value, type | FunctionType):
            return reduced
        return self._reduced(value)

    def _is_left(self, value: Any) -> bool:
        plain = isinstance(value, type | FunctionType | BaseException)
        reduced = None if plain else self._reduced(value)
        return isinstance(reduced, tuple) and reduced[0] is LeftBehind

    def _reduced(self, value: Any) -> Any:
        if hasattr(type(value), "__del__"):
            return NotImplemented if self._travels(value) else left(value)
        reduce = self.dispatch_table.get(type(value))
        try:
            return reduce(value) if reduce is not None else value.__reduce_ex__(PROTOCOL)
        except Exception:
            return left(value)

    def _travels(self, value: Any) -> bool:
        try:
            _pickled(value, MAX_PART_BYTES, self._by_value)
        except Exception:
            return False
        return True


class _OwnUnpickler(pickle.Unpickler):
    """Reads what this process itself has written: its classes are left as they are."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        return _as_it_is if found is fill_class else found


def _as_it_is(user_cls: type, state: Any) -> type:
    return user_cls


class _TolerantUnpickler(pickle.Unpickler):
    """Puts stand-ins where classes and functions of modules that are not here were."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            return type(name, (NotHere,), {"__module__": module})
