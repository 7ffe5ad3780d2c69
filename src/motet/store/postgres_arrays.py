"""Columns of values as arrays that PostgreSQL takes as they are.

psycopg makes an array item by item, in Python: of a group of spawned calls that took a third of the thread's time, with the
interpreter's lock, for which everybody else waits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_size = struct.Struct(">i").pack
_ELEMENTS = {"text": 25, "bytea": 17, "smallint": 21, "integer": 23, "bigint": 20, "float8": 701}
"""The types, and the numbers by which databases know them."""
_FIXED = {"smallint": ("h", 2), "integer": ("i", 4), "bigint": ("q", 8), "float8": ("d", 8)}


class Array:
    """One value of an array type, as it is sent. The statement says of which type it is."""

    __slots__ = ("sent",)

    def __init__(self, sent: bytes) -> None:
        self.sent = sent


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.sent


psycopg.adapters.register_dumper(Array, _ArrayDumper)


def array(kind: str, values: Sequence[Any]) -> Array:
    """Of these, none of which is None. Raises `psycopg.DataError` for a value that the type does not have."""
    header = struct.pack(">5i", 1, 0, _ELEMENTS[kind], len(values), 1)
    try:
        if kind in _FIXED:
            code, size = _FIXED[kind]
            each = struct.pack(
                ">" + f"i{code}" * len(values), *chain.from_iterable(zip(repeat(size), values, strict=False))
            )
            return Array(header + each)
        items = [value.encode() for value in values] if kind == "text" else values
        return Array(b"".join([header, *chain.from_iterable(zip(map(_size, map(len, items)), items, strict=True))]))
    except (struct.error, UnicodeEncodeError) as error:
        raise psycopg.DataError(f"a value is no {kind}: {error}") from error


def arrays(kinds: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> list[Array]:
    """The columns of these rows, of which there is at least one."""
    return [array(kind, column) for kind, column in zip(kinds, zip(*rows, strict=True), strict=True)]
