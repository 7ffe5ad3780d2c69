"""Checks of keywords that say on which host containers go: what it is to have beside cores and GPUs, and to be like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from motet.errors import InvalidError
from motet.model.host import MOST_WORDS, Placing


def resources(name: str, value: Any) -> tuple[tuple[str, float], ...]:
    """Amounts by name, as hosts say what they have with `motet host join --resource`."""
    found = {}
    for each, amount in _named(name, value, "a dict of amounts by name").items():
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount < 2**53:
            raise InvalidError(f"`{name}[{each!r}]` must be a positive number, got {amount!r}")
        found[each] = float(amount)
        if not math.isclose(round(found[each], 4), found[each]):
            raise InvalidError(f"`{name}[{each!r}]` is counted in parts of 1/10,000, got {amount!r}")
    return tuple(found.items())


def labels(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Values by name, as hosts say what they are like with `motet host join --label`."""
    found = _named(name, value, "a dict of values by name")
    for each, said in found.items():
        if not isinstance(said, str) or not 0 < len(said) <= 255:
            raise InvalidError(f"`{name}[{each!r}]` must be a str of 1 to 255 characters, got {said!r}")
    return tuple(found.items())


def placement(name: str, value: Any) -> str:
    """On hosts that are in use, or on those with fewest containers of the function."""
    if value not in get_args(Placing):
        raise InvalidError(
            f'`{name}` must be "pack" (on hosts that are in use, as long as each container has a core) or "spread" (on the '
            f"host with the fewest containers of the function), got {value!r}"
        )
    return str(value)


def _named(name: str, value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidError(f"`{name}` must be {what}, got {value!r}")
    for each in value:
        if not isinstance(each, str) or not 0 < len(each) <= 255:
            raise InvalidError(f"`{name}` must have names that are a str of 1 to 255 characters, got {each!r}")
    if len(value) > MOST_WORDS:
        raise InvalidError(f"`{name}` may have {MOST_WORDS} names, got {len(value)}")
    return dict(value)
