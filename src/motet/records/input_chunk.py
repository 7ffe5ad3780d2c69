"""Ended inputs of one call, encoded: what a store keeps of them without looking at each again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from motet.model.outcome import OutcomeKind
from motet.records.inputs import InputRecord
from motet.records.successes import Successes

INPUTS_PER_CHUNK, INPUTS_FOR_A_CHUNK = 1000, 64
"""About so many are in one; fewer of one call lie in a chunk with those of others."""

_encode = msgspec.msgpack.Encoder().encode
_index = attrgetter("index")
_kind = attrgetter("kind")
_ended_at = attrgetter("ended_at")
_container_id = attrgetter("container_id")
_earlier = attrgetter("earlier")


class _Content(msgspec.Struct, array_like=True):
    """What is in a chunk."""

    records: list[InputRecord] = []
    successes: list[Successes] = []


_decode = msgspec.msgpack.Decoder(_Content).decode


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
        return cls((min(indices), max(indices)), (min(ended), max(ended)), Counter(kinds), containers)


class InputChunk(msgspec.Struct, frozen=True, gc=False):
    """Inputs of one call, of which none is needed any more."""

    function_id: str
    call_id: str
    summary: Summary
    data: bytes


class GrowingChunk:
    """Inputs of one call that succeeded, encoded as they come: while they are still in the processor's cache."""

    __slots__ = ("_call_id", "_containers", "_ended", "_function_id", "_indices", "_loose", "_parts", "count")

    def __init__(self, function_id: str, call_id: str) -> None:
        self._function_id = function_id
        self._call_id = call_id
        self.count = 0
        self._indices: list[int] = []
        self._ended: list[float] = []
        self._containers: set[str] = set()
        self._parts: list[msgspec.Raw] = []
        self._loose: Successes | None = None
        """Too few to be encoded yet."""

    def add(self, inputs: Successes) -> None:
        """Further ones; they are left as they are."""
        self.count += len(inputs)
        if self._loose is not None:
            self._loose.extend(inputs)
        elif len(inputs) < INPUTS_FOR_A_CHUNK:
            self._loose = inputs.copy()
        else:
            self._encode(inputs)
        if self._loose is not None and len(self._loose) >= INPUTS_FOR_A_CHUNK:
            self._encode(self._loose)
            self._loose = None

    def _encode(self, inputs: Successes) -> None:
        containers, first, last = set(inputs.container_ids), min(inputs.ended_at), max(inputs.ended_at)
        # Raw: the chunk takes it as it is, so that nothing is encoded twice.
        self._parts.append(msgspec.Raw(_encode(inputs.shortened(containers, first, last))))
        self._indices += (min(inputs.indices), max(inputs.indices))
        self._ended += (first, last)
        self._containers |= containers

    def records(self) -> list[InputRecord] | None:
        """All of them, if they are too few for a chunk of their own."""
        return self._loose.records() if self._loose is not None and not self._parts else None

    def chunk(self) -> InputChunk:
        """One or more; this is not used afterwards."""
        if self._loose is not None:
            self._encode(self._loose)
        indices, ended = self._indices, self._ended
        summary = Summary(
            (min(indices), max(indices)), (min(ended), max(ended)), {OutcomeKind.SUCCESS: self.count}, self._containers
        )
        return InputChunk(self._function_id, self._call_id, summary, _encode(([], self._parts)))


def encoded(records: Sequence[InputRecord]) -> bytes:
    """What `decoded` takes; without what is not kept of an input."""
    return _encode(([it if not it.trace else msgspec.structs.replace(it, trace="") for it in records], ()))


def decoded(data: bytes) -> list[InputRecord]:
    """The inputs of a chunk, on the clock of their chunk."""
    content = _decode(data)
    return [*content.records, *(record for some in content.successes for record in some.records())]
