"""Values that no `repr` shows. Loggers print variables of every frame, Motet's among them, and logs are read by many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")

HIDDEN = re.compile(r"token|secret|credential|password|headers|env$|^environment|^preload$")
"""Fields with such a name are hidden. Environments hold secrets, and headers cookies; what is preloaded has an environment."""


def hides_secrets(cls: type[T]) -> type[T]:
    """A decorator, the outermost, for structs, dataclasses and named tuples: fields named in `HIDDEN` are left out."""
    cls.__repr__ = _represented  # type: ignore[method-assign]
    cls.__rich_repr__ = _fields_shown  # type: ignore[attr-defined]
    return cls


def _represented(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in _fields_shown(self))})"


def _fields_shown(self: Any) -> Iterator[tuple[str, Any]]:
    for name in fields_of(type(self)):
        if not HIDDEN.search(name):
            yield name, getattr(self, name)


def fields_of(cls: type) -> tuple[str, ...]:
    """The names of a record's fields; () for any other class."""
    for listing in ("__struct_fields__", "__dataclass_fields__", "_fields"):
        if (names := getattr(cls, listing, None)) is not None:
            return tuple(names)
    return ()
