"""The tree of calls that an input is in: who called it, and what it called."""

from __future__ import annotations

from motet.errors import NotFoundError
from motet.model.ids import input_id, split_input_id
from motet.model.record_queries import CallQuery, InputQuery
from motet.model.records import CallSummary, InputRecord
from motet.server.dashboard.shown import Json, call_json, input_json
from motet.store.records import RecordReader

MAX_DEPTH = 20
CALLS_OF_AN_INPUT = 50
INPUTS_OF_A_CALL = 20
MAX_NODES = 400
"""Calls and inputs that one answer may have; where it stops, it says so."""


class CallTree:
    """Reads one tree. Use it once."""

    def __init__(self, records: RecordReader) -> None:
        self._records = records
        self._nodes = 0

    def of(self, wanted: str) -> Json:
        """The tree around an input: `path`, the inputs from the outermost caller to this one, and `root`, the tree below
        the first of them. Branches beside the path are there, too, as far as there is room."""
        path = self._path(wanted)
        return {"path": path, "root": self._input(path[0], path, None, 0)}

    def _path(self, wanted: str) -> list[str]:
        path = [wanted]
        while len(path) < MAX_DEPTH:
            call_id, _ = split_input_id(path[0])
            summary = self._records.call(call_id)
            if summary is None:
                if len(path) == 1:
                    raise NotFoundError(f"no input {wanted} is known here")
                break
            parent = summary.call.parent_input_id
            if parent is None or parent in path:
                break
            path.insert(0, parent)
        return path

    def _input(self, wanted: str, path: list[str], record: InputRecord | None, depth: int) -> Json:
        self._nodes += 1
        record = record or self._records.input(wanted)
        shown: Json = {"input_id": wanted, "state": "live"} if record is None else input_json(record)
        calls: list[CallSummary] = []
        if depth < MAX_DEPTH and self._nodes < MAX_NODES:
            calls = self._records.calls(CallQuery(parent_input_id=wanted, limit=CALLS_OF_AN_INPUT))
        # The newest were found; they are shown in the order in which they were made, those on the path in any case.
        calls = sorted(calls, key=lambda each: each.call.submitted_at)
        shown["calls"] = [self._call(each, path, depth) for each in calls]
        shown["more_calls"] = len(calls) == CALLS_OF_AN_INPUT
        return shown

    def _call(self, summary: CallSummary, path: list[str], depth: int) -> Json:
        self._nodes += 1
        call_id = summary.call.call_id
        inputs = [(input_id(call_id, each.index), each) for each in self._inputs(call_id)]
        on_path = [each for each in path if split_input_id(each)[0] == call_id]
        known = {each for each, _ in inputs}
        rows: list[tuple[str, InputRecord | None]] = [*inputs, *((each, None) for each in on_path if each not in known)]
        children = [self._input(each, path, record, depth + 1) for each, record in rows]
        return {**call_json(summary), "inputs": children, "more_inputs": len(inputs) == INPUTS_OF_A_CALL}

    def _inputs(self, call_id: str) -> list[InputRecord]:
        room = min(INPUTS_OF_A_CALL, MAX_NODES - self._nodes)
        return [] if room < 1 else self._records.inputs(InputQuery(call_id=call_id, limit=room))
