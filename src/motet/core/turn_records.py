"""What is told of a turn to those who count or keep: the calls that were made, the inputs that ended."""

from __future__ import annotations

from motet.core.commands import Command, RecordArguments, RecordCalls, RecordInputs, RecordSuccesses
from motet.core.inputs import Call, Input
from motet.model.outcome import CallKind, HeldAttempt, OutcomeKind
from motet.records.arguments import ArgumentsRecord
from motet.records.calls import CallRecord
from motet.records.inputs import InputRecord
from motet.records.successes import Successes

_Columns = tuple[list[int], list[float], list[str], list[float], list[float], list[float]]
"""Those of `Successes`, without the moment at which all of a turn end."""

_NO_ATTEMPT = ("", 0.0, OutcomeKind.SUCCESS, 0.0, 0.0)


class TurnRecords:
    """Those of one turn, by call. Inputs that succeeded at their first attempt, as nearly all do, are told of in columns."""

    __slots__ = ("_arguments", "_calls", "_inputs", "_now", "_succeeded")

    def __init__(self, now: float) -> None:
        self._now = now
        self._arguments: list[ArgumentsRecord] = []
        self._calls: list[CallRecord] = []
        self._inputs: dict[Call, list[InputRecord]] = {}
        self._succeeded: dict[Call, _Columns] = {}

    def made(self, call: Call) -> None:
        """A call was made."""
        self._calls.append(
            CallRecord(call.call_id, call.function_id, call.kind, call.method, self._now, call.parent_input_id)
        )

    def refused(self, call: Call, index: int, kind: OutcomeKind, failure: bytes) -> None:
        """An input was not taken at all."""
        record = InputRecord(call.call_id, index, self._now, self._now, kind, failure=failure)
        self._inputs.setdefault(call, []).append(record)

    def ended(self, item: Input, kind: OutcomeKind, payload: bytes) -> None:
        """An input ended."""
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
            self._now,
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
        self._inputs.setdefault(call, []).append(record)

    def cut(self, function_id: str, container_id: str, held: HeldAttempt, failure: bytes) -> None:
        """A stream or a request was cancelled in its container, because a server before this one is gone."""
        now, began_at = self._now, self._now - held.ran
        call = Call(held.call_id, function_id, 0, CallKind.STREAM, held.method)
        cancelled = OutcomeKind.CANCELLED
        record = InputRecord(
            held.call_id, held.index, began_at, now, cancelled, container_id, began_at, now, cancelled, failure=failure
        )
        self._calls.append(CallRecord(call.call_id, function_id, call.kind, call.method, began_at))
        self._inputs.setdefault(call, []).append(record)

    def failed(self, item: Input, arguments: bytes) -> None:
        """An input ended without a result, with these arguments; empty: they are on the disk, and go with its outcome."""
        call = item.call
        if not arguments:
            return
        self._arguments.append(ArgumentsRecord(call.call_id, item.index, call.function_id, self._now, arguments))

    def add_to(self, commands: list[Command]) -> None:
        """Tell of all of them."""
        if self._calls:
            commands.append(RecordCalls(self._calls))
        for call, (indices, submitted_at, container_ids, delivered_at, begins, ends) in self._succeeded.items():
            ended_at = [self._now] * len(indices)
            succeeded = Successes(
                call.call_id, indices, submitted_at, ended_at, container_ids, delivered_at, begins, ends
            )
            commands.append(RecordSuccesses(call.function_id, succeeded))
        for call, inputs in self._inputs.items():
            commands.append(RecordInputs(call.function_id, inputs))
        if self._arguments:
            commands.append(RecordArguments(self._arguments))
