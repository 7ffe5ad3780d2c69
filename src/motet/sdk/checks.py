"""Type checks that several keywords share, with one wording."""

from __future__ import annotations

import math
from typing import Any

from motet.errors import InvalidError


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


def refuse_positional(positional: tuple[object, ...], suggestion: str) -> None:
    """Decorators take keywords only; something positional means that the parentheses were forgotten."""
    if positional:
        raise InvalidError(
            f"Positional arguments are not allowed. Did you forget parentheses? Suggestion: `{suggestion}`."
        )
