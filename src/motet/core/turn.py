"""One call of `Engine.handle`: the instant it happens at, and the commands it has led to so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from motet.core.commands import Command, RecordCalls, RecordInputs, RecordSuccesses, SaveOutcomes, SendOutcomes
from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind, InputEnd, OutcomeKind
from motet.records.calls import CallRecord
from motet.records.inputs import InputRecord
from motet.records.successes import Successes

INPUTS_PER_TURN = 500
"""How many inputs are ended in one turn because they were cancelled, or waited or ran for too long; the next turn goes on.
About 5 ms: what else happens must not wait for longer."""

_Columns = tuple[list[int], list[float], list[str], list[float], list[float], list[float]]
"""Those of `Successes`, without the moment at which all of a turn end."""

_NO_ATTEMPT = ("", 0.0, OutcomeKind.SUCCESS, 0.0, 0.0)


class Turn:
    """Collects commands; outcomes of one call leave together, after everything that keeps containers busy."""

    __slots__ = (
        "_outcomes",
        "_succeeded",
        "calls",
        "commands",
        "inputs",
        "now",
        "orphaned",
        "pools",
        "recording",
        "room",
    )

    def __init__(self, now: float, recording: bool = False, room: int = INPUTS_PER_TURN) -> None:
        self.now = now
        self.room = room
        """How many more inputs may be ended in this turn without having said so themselves."""
        self.recording = recording
        """Somebody wants to know of the calls that are made and the inputs that end."""
        self.calls: list[CallRecord] = []
        self.inputs: dict[Call, list[InputRecord]] = {}
        self.commands: list[Command] = []
        self.pools: dict[Any, None] = {}
        """Pools in which something changed, in order: each is pumped once at the end."""
        self.orphaned: list[tuple[str, str]] = []
        """Ids of inputs that were given up while they ran, and why: what they called is still to be cancelled."""
        self._outcomes: dict[Call, list[InputEnd]] = {}
        self._succeeded: dict[Call, _Columns] = {}

    def changed(self, pool: Any) -> None:
        """Something changed in a pool."""
        self.pools[pool] = None

    def spend(self, inputs: int) -> None:
        """So many inputs are being ended: there is room for as many fewer."""
        self.room -= inputs

    def add_outcome(self, call: Call, index: int, kind: OutcomeKind, payload: bytes) -> None:
        """An input of `call` has ended."""
        ended = self._outcomes.get(call)
        if ended is None:
            ended = self._outcomes[call] = []
        ended.append(InputEnd(index, kind, payload))

    def refuse(self, call: Call, indices: Iterable[int], kind: OutcomeKind, failure: bytes) -> None:
        """Inputs were not taken at all."""
        for index in indices:
            self.add_outcome(call, index, kind, failure)
            if self.recording:
                record = InputRecord(call.call_id, index, self.now, self.now, kind, failure=failure)
                self.inputs.setdefault(call, []).append(record)

    def record(self, item: Input, kind: OutcomeKind, payload: bytes) -> None:
        """Have it be remembered how an input ended."""
        call, over = item.call, item.over
        if kind is OutcomeKind.SUCCESS and over is not None and not item.earlier and not call.trace:
            columns = self._succeeded.get(call)
            if columns is None:
                columns = self._succeeded[call] = [], [], [], [], [], []
            # Inputs are not kept until the end of the turn: their memory is used again while it is in the processor's cache.
            indices, submitted_at, container_ids, delivered_at, begins, ends = columns
            indices.append(item.index)
            submitted_at.append(item.submitted_at)
            container_ids.append(over[0])
            delivered_at.append(item.delivered_at)
            begins.append(over[3])
            ends.append(over[4])
            return
        container_id, over_at, how, began, finished = over or _NO_ATTEMPT
        record = InputRecord(
            call.call_id,
            item.index,
            item.submitted_at,
            self.now,
            kind,
            container_id,
            item.delivered_at if over else 0.0,
            over_at,
            how,
            began,
            finished,
            b"" if kind is OutcomeKind.SUCCESS else payload,
            item.earlier,
            call.trace,
        )
        self.inputs.setdefault(call, []).append(record)

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
        if not self.recording:
            return self.commands
        if self.calls:
            self.commands.append(RecordCalls(self.calls))
        for call, (indices, submitted_at, container_ids, delivered_at, begins, ends) in self._succeeded.items():
            ended_at = [self.now] * len(indices)
            succeeded = Successes(
                call.call_id, indices, submitted_at, ended_at, container_ids, delivered_at, begins, ends
            )
            self.commands.append(RecordSuccesses(call.function_id, succeeded))
        for call, inputs in self.inputs.items():
            self.commands.append(RecordInputs(call.function_id, inputs))
        return self.commands
