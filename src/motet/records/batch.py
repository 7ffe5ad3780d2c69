"""What happened within a moment, for a store to keep."""

from __future__ import annotations

import msgspec

from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.calls import CallRecord
from motet.records.facts import FactRecord
from motet.records.input_chunk import InputChunk
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord


class RecordBatch(msgspec.Struct):
    """What is put into a store at once."""

    apps: list[AppRecord] = msgspec.field(default_factory=list)
    functions: list[FunctionRecord] = msgspec.field(default_factory=list)
    calls: list[CallRecord] = msgspec.field(default_factory=list)
    inputs: dict[str, list[InputRecord]] = msgspec.field(default_factory=dict)
    """By function id. Their moments are on the clock of whoever made the batch (`clock`)."""
    chunks: list[InputChunk] = msgspec.field(default_factory=list)
    """Further ones, which came before those in `inputs`."""
    clock: float = 0.0
    """What is to be added to the moments of `inputs`, `chunks` and `arguments` to have them on the wall clock."""
    containers: list[ContainerRecord] = msgspec.field(default_factory=list)
    """The newest state of each that changed."""
    logs: list[LogBatch] = msgspec.field(default_factory=list)
    facts: list[FactRecord] = msgspec.field(default_factory=list)
    definitions: list[DefinitionRecord] = msgspec.field(default_factory=list)
    """Of the functions of `arguments`."""
    arguments: list[ArgumentsRecord] = msgspec.field(default_factory=list)
    """On the same clock as `inputs`."""

    def halves(self) -> tuple[RecordBatch, RecordBatch] | None:
        """All of it in two, what others refer to first; None if it is one record."""
        records = [
            (name, key, record)
            for name in self.__struct_fields__
            if name != "clock"
            for key, of_key in (getattr(self, name).items() if name == "inputs" else [("", getattr(self, name))])
            for record in of_key
        ]
        if len(records) < 2:
            return None
        # In the order of the fields, in which nothing refers to what follows: the first half is whole by itself.
        first, second = RecordBatch(clock=self.clock), RecordBatch(clock=self.clock)
        for place, (name, key, record) in enumerate(records):
            into = getattr(first if place < len(records) // 2 else second, name)
            (into.setdefault(key, []) if name == "inputs" else into).append(record)
        return first, second
