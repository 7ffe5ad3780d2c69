"""Ended inputs of one call, encoded: what a store keeps of them without looking at each again."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import msgspec

from motet.model.outcome import OutcomeKind
from motet.model.records import InputRecord

INPUTS_PER_CHUNK = 1000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[InputRecord]).decode
_index = attrgetter("index")
_kind = attrgetter("kind")
_ended_at = attrgetter("ended_at")
_container_id = attrgetter("container_id")
_earlier = attrgetter("earlier")


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What is asked of many inputs at once: the span of their indices and ends, how many ended how, and where they ran."""

    indices: tuple[int, int]
    ended: tuple[float, float]
    """The first and the last, on the clock of the records."""
    kinds: dict[OutcomeKind, int]
    containers: set[str]

    @classmethod
    def of(cls, records: Sequence[InputRecord]) -> Summary:
        """That of one input or more."""
        indices = list(map(_index, records))
        ended = list(map(_ended_at, records))
        kinds = list(map(_kind, records))
        containers = set(map(_container_id, records))
        if any(map(_earlier, records)):
            containers.update(attempt.container_id for record in records for attempt in record.earlier)
        containers.discard("")
        counts = {OutcomeKind.SUCCESS: kinds.count(OutcomeKind.SUCCESS)}
        if counts[OutcomeKind.SUCCESS] < len(kinds):
            counts = {kind: kinds.count(kind) for kind in set(kinds)}
        return cls((min(indices), max(indices)), (min(ended), max(ended)), counts, containers)


class InputChunk(msgspec.Struct, frozen=True, gc=False):
    """Inputs of one call. To make one takes half a microsecond for each input, and none of them is needed any more."""

    function_id: str
    call_id: str
    count: int
    summary: Summary
    data: bytes

    @classmethod
    def of(cls, function_id: str, records: Sequence[InputRecord]) -> InputChunk:
        """Of one input or more, all of one call."""
        return cls(function_id, records[0].call_id, len(records), Summary.of(records), _encode(records))


def encoded(records: Sequence[InputRecord]) -> bytes:
    """What `decoded` takes."""
    return _encode(records)


def decoded(data: bytes) -> list[InputRecord]:
    """The inputs of a chunk, on the clock of their chunk."""
    return _decode(data)
