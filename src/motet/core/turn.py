"""One call of `Engine.handle`: the instant it happens at, and the commands it has led to so far."""

from __future__ import annotations

from typing import Any

from motet.core.commands import Command, RecordCalls, RecordInputs, SaveOutcomes, SendOutcomes
from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind, Ended, OutcomeKind
from motet.model.records import CallRecord, InputRecord


class Turn:
    """Collects commands; outcomes of one call leave together, after everything that keeps containers busy."""

    __slots__ = ("_outcomes", "calls", "commands", "inputs", "now", "orphaned", "pools", "recording")

    def __init__(self, now: float, recording: bool = False) -> None:
        self.now = now
        self.recording = recording
        """Somebody wants to know of the calls that are made and the inputs that end."""
        self.calls: list[CallRecord] = []
        self.inputs: dict[Call, list[InputRecord]] = {}
        self.commands: list[Command] = []
        self.pools: dict[Any, None] = {}
        """Pools in which something changed, in order: each is pumped once at the end."""
        self.orphaned: list[tuple[str, str]] = []
        """Ids of inputs that were given up while they ran, and why: what they called is still to be cancelled."""
        self._outcomes: dict[Call, list[Ended]] = {}

    def add_outcome(self, call: Call, index: int, kind: OutcomeKind, payload: bytes) -> None:
        """An input of `call` has ended."""
        ended = self._outcomes.get(call)
        if ended is None:
            ended = self._outcomes[call] = []
        ended.append(Ended(index, kind, payload))

    def refuse(self, call: Call, index: int, kind: OutcomeKind, failure: bytes) -> None:
        """An input was not taken at all."""
        self.add_outcome(call, index, kind, failure)
        if self.recording:
            record = InputRecord(call.call_id, index, self.now, self.now, kind, failure=failure)
            self.inputs.setdefault(call, []).append(record)

    def record(self, item: Input, kind: OutcomeKind, payload: bytes) -> None:
        """Have it be remembered how an input ended."""
        call = item.call
        records = self.inputs.get(call)
        if records is None:
            records = self.inputs[call] = []
        failure = b"" if kind is OutcomeKind.SUCCESS else payload
        if item.over is None:
            record = InputRecord(
                call.call_id,
                item.index,
                item.submitted_at,
                self.now,
                kind,
                failure=failure,
                earlier=item.earlier,
                trace=call.trace,
            )
        else:
            container_id, over_at, how, began, finished = item.over
            record = InputRecord(
                call.call_id,
                item.index,
                item.submitted_at,
                self.now,
                kind,
                container_id,
                item.delivered_at,
                over_at,
                how,
                began,
                finished,
                failure,
                item.earlier,
                call.trace,
            )
        records.append(record)

    def record_call(self, call: Call) -> None:
        """Have it be remembered that a call was made."""
        self.calls.append(
            CallRecord(call.call_id, call.function_id, call.kind, call.method, self.now, call.parent_input_id)
        )

    def finish(self) -> list[Command]:
        """All commands of the turn, in the order to carry them out."""
        for call, ended in self._outcomes.items():
            if call.kind is CallKind.SPAWNED:
                self.commands.append(SaveOutcomes(call.call_id, ended))
            else:
                self.commands.append(SendOutcomes(call.client, call.call_id, ended))
        if self.calls:
            self.commands.append(RecordCalls(self.calls))
        for call, inputs in self.inputs.items():
            self.commands.append(RecordInputs(call.function_id, inputs))
        return self.commands
