"""What cannot be pickled, and how it is left out of what can: a part of an exception must not keep the rest from arriving."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NoReturn

MAX_TEXT = 1024


class LeftBehind:
    """Stands for a part that could not be pickled: looks like it in text, and says what it is when asked for more."""

    def __init__(self, type_name: str, shown: str, text: str) -> None:
        self._parts = type_name, shown, text

    def __repr__(self) -> str:
        return self._parts[1]

    def __str__(self) -> str:
        return self._parts[2]

    def __getattr__(self, name: str) -> NoReturn:
        type_name = vars(self).get("_parts", ("object",))[0]
        raise AttributeError(
            f"a {type_name} could not be pickled with its exception and was left behind: no {name!r} here"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (LeftBehind, self._parts)


class NotHere:
    """The base of what stands for classes and functions that cannot be imported here."""

    def __new__(cls, *arguments: Any, **options: Any) -> NotHere:
        return super().__new__(cls)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Whatever the class wants that is not here."""

    def __setstate__(self, state: Any) -> None:
        """Nobody here can read it."""

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__}>"


def left(value: Any) -> tuple[Any, ...]:
    """What a pickler puts in the place of a value that cannot be pickled: a plain copy of a mapping, or a stand-in."""
    if isinstance(value, Mapping):
        with contextlib.suppress(Exception):
            plain = value.copy() if hasattr(value, "copy") else dict(value)
            if type(plain) is not type(value):
                return (_itself, (plain,))
    return stand_in(value).__reduce__()


def stand_in(value: Any) -> LeftBehind:
    """What takes the place of a value."""
    return LeftBehind(type(value).__qualname__, _text_of(repr, value), _text_of(str, value))


def _itself(value: Any) -> Any:
    return value


def _text_of(make: Any, value: Any) -> str:
    try:
        return str(make(value))[:MAX_TEXT]
    except Exception:
        return f"<{type(value).__qualname__}>"
