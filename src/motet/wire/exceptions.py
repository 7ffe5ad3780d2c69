"""Exceptions taken apart, and put together again without their constructors being called.

Pickle calls a class with the `args` of its exception, which fails for every class whose `__init__` takes something else, and
builds a wrong exception where it does not fail. What an exception is made of is known without asking its class.
"""

from __future__ import annotations

import contextlib
import copyreg
import types
from typing import Any

from motet.errors import RemoteError, RemoteTraceback

_FIELDS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_STAYING = {
    (BaseException, "args"),
    (AttributeError, "obj"),
    (BaseExceptionGroup, "message"),
    (BaseExceptionGroup, "exceptions"),
}
_CHAIN = ("__cause__", "__context__", "__suppress_context__")

Parts = dict[str, Any]
"""What an exception is made of: its `args`, `attributes`, `fields` (slots, its own and those of builtin classes), `chain`."""


def taken_apart(error: BaseException) -> tuple[Any, ...]:
    """As a pickler wants it: how to make the exception again, and what to put into it then."""
    return (_made, (type(error), group_of(error)), parts_of(error), None, None, _filled)


def as_its_class_says(error: BaseException) -> Any:
    """The same where the class has a way of its own (`__reduce__`, a registered reducer); None where it has none."""
    registered = copyreg.dispatch_table.get(type(error))
    own = _has_own(type(error), "__reduce__") or _has_own(type(error), "__reduce_ex__")
    if registered is None and not own:
        return None
    reduced = registered(error) if registered is not None else error.__reduce_ex__(5)
    if not isinstance(reduced, tuple) or any(it is not None for it in reduced[3:]):
        return None
    make, arguments, *state = reduced
    notes = attributes_of(error).get("__notes__")
    return (make, arguments, ((state or [None])[0], notes, _chain_of(error)), None, None, _chained)


def parts_of(error: BaseException) -> Parts:
    """Everything that an exception holds but its traceback."""
    return {
        "args": BaseException.args.__get__(error),  # type: ignore[attr-defined]
        "attributes": _state_of(error),
        "fields": _fields_of(error),
        "chain": _chain_of(error),
    }


def put_together(error_type: type[BaseException], parts: Parts, group: tuple[Any, ...] = ()) -> BaseException:
    """The exception of these parts."""
    error = _made(error_type, group)
    _filled(error, parts)
    return error


def told(error_type: type[BaseException], text: str, parts: Parts) -> BaseException:
    """An exception that is both a `RemoteError` and one of `error_type`, for what cannot be put together: its text is
    `text`."""
    namespace = {"__module__": error_type.__module__, "__qualname__": error_type.__qualname__}
    both = type(error_type.__name__, (Told, error_type), namespace)
    error = _made(both, ())
    _filled(error, parts)
    attributes_of(error)["_motet_told"] = (error_type, text)
    return error


class Told(RemoteError):
    """The base of what `told` makes."""

    def __init_subclass__(cls, **options: Any) -> None:
        """The other base's own must not hear of classes that nobody wrote."""

    def __str__(self) -> str:
        return str(attributes_of(self)["_motet_told"][1])

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        attributes = dict(attributes_of(self))
        error_type, text = attributes.pop("_motet_told")
        return (told, (error_type, text, {"args": self.args, "attributes": attributes}))


def _made(error_type: type[BaseException], group: tuple[Any, ...]) -> BaseException:
    # The nearest `__new__` that is written in C: one in Python, like `__init__`, may want arguments that nobody has.
    for base in error_type.__mro__:
        if isinstance(new := vars(base).get("__new__"), types.BuiltinFunctionType):
            return new(error_type, *group)  # type: ignore[no-any-return]
    raise TypeError(f"{error_type!r} is no class of exceptions")


def _filled(error: BaseException, parts: Parts) -> None:
    # Through the descriptors of BaseException: the class may have a `__setattr__` of its own (frozen dataclasses do).
    BaseException.args.__set__(error, parts["args"])  # type: ignore[attr-defined]
    attributes = parts.get("attributes", {})
    if isinstance(attributes, dict):
        attributes_of(error).update(attributes)
    else:
        error.__setstate__(attributes[0])
    for name, value in parts.get("fields", {}).items():
        descriptor = _descriptor(type(error), name)
        with contextlib.suppress(AttributeError, TypeError):  # it has no such field here, or it is only to be read
            descriptor.__set__(error, value)
    chain(error, parts.get("chain", {}))


def chain(error: BaseException, links: dict[str, Any]) -> None:
    """Give an exception its cause and context, whatever its class says to that."""
    for name, value in links.items():
        getattr(BaseException, name).__set__(error, value)


def _chained(error: Any, kept: tuple[Any, Any, dict[str, Any]]) -> None:
    state, notes, links = kept
    if state is not None:
        error.__setstate__(state)
    if isinstance(error, BaseException):
        if notes is not None:
            attributes_of(error)["__notes__"] = notes
        chain(error, links)


def group_of(error: BaseException) -> tuple[Any, ...]:
    """A group has what it holds from the start."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    return tuple(vars(BaseExceptionGroup)[name].__get__(error) for name in ("message", "exceptions"))


def _chain_of(error: BaseException) -> dict[str, Any]:
    links = {name: getattr(BaseException, name).__get__(error) for name in _CHAIN}
    # What another container said of its failure is a part of this one's text.
    unsaid = {name: it.__cause__ if isinstance(it, RemoteTraceback) else it for name, it in links.items()}
    return {name: it for name, it in unsaid.items() if it}


def _state_of(error: BaseException) -> Any:
    """Its `__dict__`, or what its class's `__getstate__` gives, for its `__setstate__`."""
    if not _has_own(type(error), "__getstate__"):
        return dict(attributes_of(error))
    try:
        state = error.__getstate__()
    except Exception:
        return dict(attributes_of(error))
    return dict(state) if isinstance(state, dict) and not _has_own(type(error), "__setstate__") else (state,)


def _fields_of(error: BaseException) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in type(error).__mro__:
        for name, descriptor in vars(base).items():
            if not isinstance(descriptor, _FIELDS) or name in found or _stays(base, name):
                continue
            with contextlib.suppress(Exception):  # it was never set
                value = descriptor.__get__(error)
                if value is not None or base.__module__ != "builtins":  # builtin classes show None where nothing is
                    found[name] = value
    return found


def _stays(base: type, name: str) -> bool:
    # `obj` is whatever had no such attribute: a module, a connection ...; a group has what it holds from its start.
    return name.startswith("__") or (base, name) in _STAYING


def _descriptor(error_type: type, name: str) -> Any:
    for base in error_type.__mro__:
        if isinstance(descriptor := vars(base).get(name), _FIELDS):
            return descriptor
    return None


def _has_own(error_type: type, name: str) -> bool:
    """Whether a class that is not Python's own defines this method."""
    base = next((base for base in error_type.__mro__ if name in vars(base)), object)
    return base.__module__ != "builtins"


def attributes_of(error: BaseException) -> dict[str, Any]:
    """Its `__dict__`, whatever its class says to that."""
    return object.__getattribute__(error, "__dict__")  # type: ignore[no-any-return]
