"""Type checks that several keywords share, with one wording."""

from __future__ import annotations

import math
from typing import Any

from motet.errors import InvalidError

MAX_NAME = 1000


def type_name(value: object) -> str:
    """How messages call the type of a value."""
    return type(value).__name__


def is_int(value: object) -> bool:
    """True for integers that are not booleans."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """True for finite ints and floats that are not booleans."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_bool(name: str, value: Any) -> bool:
    """`value` if it is a bool; `InvalidError` naming the keyword otherwise."""
    if not isinstance(value, bool):
        raise InvalidError(f"`{name}` must be True or False, got {value!r}")
    return value


def is_sendable(text: str) -> bool:
    """False for text with lone surrogates, as file names have that are not UTF-8: it cannot be sent or shown."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def check_name(what: str, name: str) -> str:
    """`name` if it can be sent and shown on one line; `InvalidError` with `what` it names otherwise."""
    if len(name) > MAX_NAME:
        raise InvalidError(f"{what} may be {MAX_NAME} characters long; this one has {len(name)}: {name[:50]!r}...")
    if not is_sendable(name) or any(character < " " or "\x7f" <= character < "\xa0" for character in name):
        raise InvalidError(
            f"{what} is {name!r}, which has characters that cannot be shown (line breaks, controls) or are not Unicode"
        )
    return plain(name)


def plain(text: str) -> str:
    """The text of a `str` of whatever class, such as an enum's member: others are not what they seem when they are sent."""
    return str.__str__(text)


def refuse_positional(positional: tuple[object, ...], suggestion: str) -> None:
    """Decorators take keywords only; something positional means that the parentheses were forgotten."""
    if positional:
        raise InvalidError(
            f"Positional arguments are not allowed. Did you forget parentheses? Suggestion: `{suggestion}`."
        )
