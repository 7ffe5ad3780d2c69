"""Identifiers: how they look, and how an input's follows from its call's.

All carry Modal's prefixes: `ap-` app, `fu-` function, `fc-` call, `in-` input, `ta-` container. The part after the prefix
sorts by time (ULID layout, lower-case Crockford base 32). An input's id is its call's with the index appended, so it
needs no room on the wire and names its call to whoever reads a log line.
"""

from __future__ import annotations

import re
from typing import NewType

from motet.errors import InvalidError

AppId = NewType("AppId", str)
CallId = NewType("CallId", str)
InputId = NewType("InputId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_TIME_CHARS = 10
_ENTROPY_CHARS = 16
ENTROPY_BITS = _ENTROPY_CHARS * 5
_INDEX_CHARS = 18
"""Digits of the index of an input: more than any call has inputs, and no more than a store takes."""


def id_suffix(at_ms: int, entropy: int) -> str:
    """The 26 characters after a prefix, from the wall clock in milliseconds and `ENTROPY_BITS` random bits."""
    return _base32(at_ms, _TIME_CHARS) + _base32(entropy, _ENTROPY_CHARS)


def numbered_suffix(base: str, number: int) -> str:
    """A suffix for a server that numbers its objects: its own `base` suffix, then `number` in five digits or more."""
    return base + _base32(number, max(5, (number.bit_length() + 4) // 5))


def made_at(object_id: str) -> float | None:
    """When an id was made, in seconds of the wall clock of whoever made it; None if it does not say.

    >>> made_at("fc-" + id_suffix(1_700_000_000_000, 0))
    1700000000.0
    """
    text = object_id[3 : 3 + _TIME_CHARS]
    if len(text) < _TIME_CHARS or not set(text) <= set(_ALPHABET):
        return None
    value = 0
    for char in text:
        value = value * 32 + _ALPHABET.index(char)
    return value / 1000


def input_id(call_id: str, index: int) -> InputId:
    """The id of input number `index` of a call.

    >>> input_id("fc-01hq", 7)
    'in-01hq-7'
    """
    return InputId(f"in-{call_id[3:]}-{index}")


def split_input_id(value: str) -> tuple[CallId, int]:
    """The call and index an input id was made of; `ValueError` if it is not one."""
    body, dash, index = value.removeprefix("in-").rpartition("-")
    if not value.startswith("in-") or not dash or not index.isdecimal() or len(index) > _INDEX_CHARS:
        raise ValueError(f"{value!r} is not an input id; they look like 'in-01hq3v8k2m-0'")
    return CallId(f"fc-{body}"), int(index)


def checked_id(text: str, prefix: str, what: str, tail: str = ".+") -> str:
    """`text`, if it is `prefix`, a dash and something that matches `tail`. `what` it is the id of: for the error.

    Raises `InvalidError`.
    """
    if prefix == "in":
        try:
            split_input_id(text)
        except ValueError as error:
            raise InvalidError(str(error)) from None
    if not re.fullmatch(f"{prefix}-{tail}", text, re.DOTALL):
        article = "an" if what[0] in "aeiou" else "a"
        raise InvalidError(f"{text!r} is not the id of {article} {what}; they begin with {prefix}-")
    return text


def _base32(value: int, width: int) -> str:
    # Two characters at a time: every call needs an id, and this is most of the work of making one.
    pairs = [_PAIRS[(value >> shift) & 1023] for shift in range((width - 1) // 2 * 10, -1, -10)]
    return "".join(pairs)[-width:]
