"""Rows about unfinished inputs, as a database has them, gathered into the parts of calls that a journal answers with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from motet.store.journal import KeptCall, UnfinishedInput, UnfinishedPart

_call = msgspec.msgpack.Decoder(KeptCall)


def unfinished_parts(rows: Iterable[Any], most: int) -> Iterator[UnfinishedPart]:
    """Each row: a number and the encoded record of its call, and the fields of `UnfinishedInput`; those of a call follow each
    other. A part has at most so many inputs."""
    key, call = 0, b""
    inputs: list[UnfinishedInput] = []
    for row in rows:
        if inputs and (row[0] != key or len(inputs) == most):
            yield UnfinishedPart(_call.decode(call), inputs)
            inputs = []
        key, call = row[0], row[1]
        inputs.append(UnfinishedInput(*row[2:]))
    if inputs:
        yield UnfinishedPart(_call.decode(call), inputs)
