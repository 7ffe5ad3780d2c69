"""Rows about unfinished inputs, as a database has them, gathered into the parts of calls that a journal answers with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from motet.store.journal import KeptCall, UnfinishedInput, UnfinishedPart

_call = msgspec.msgpack.Decoder(KeptCall)
_COMMON = "app", "function_id", "method", "called_as"
"""What many calls have alike: once in memory for all of them, or a million calls would have it a million times."""


def unfinished_parts(rows: Iterable[Any], most: int) -> Iterator[UnfinishedPart]:
    """Each row: a number and the encoded record of its call, and the fields of `UnfinishedInput`; those of a call follow each
    other. A part has at most so many inputs."""
    key, call = 0, b""
    known: dict[str, str] = {}
    inputs: list[UnfinishedInput] = []
    for row in rows:
        if inputs and (row[0] != key or len(inputs) == most):
            yield UnfinishedPart(_decoded(call, known), inputs)
            inputs = []
        key, call = row[0], row[1]
        inputs.append(UnfinishedInput(*row[2:]))
    if inputs:
        yield UnfinishedPart(_decoded(call, known), inputs)


def _decoded(kept: bytes, known: dict[str, str]) -> KeptCall:
    call = _call.decode(kept)
    for name in _COMMON:
        text = getattr(call, name)
        force_setattr(call, name, known.setdefault(text, text))  # nobody has this one yet
    return call
