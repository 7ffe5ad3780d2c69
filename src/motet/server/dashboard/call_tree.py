"""The tree of calls that an input is in: who called it, and what it called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from motet.errors import NotFoundError
from motet.model.ids import split_input_id
from motet.model.views import InputView
from motet.records.call_graph import CallGraph, CallNode, GraphLimits, InputNode
from motet.server.dashboard.shown import Json, call_json, input_json, live_input_json
from motet.store.records import RecordReader

LIMITS = GraphLimits(depth=20, inputs=400, inputs_of_call=20, calls_of_input=50)
"""How much one answer may have; where it stops, it says so."""


def call_tree(records: RecordReader, live: Callable[[str], Sequence[InputView]], wanted: str) -> Json:
    """The tree around an input: `path`, the inputs from the outermost caller to this one, and `root`, the tree below
    the first of them. Branches beside the path are there, too, as far as there is room; `live` gives inputs of a call that
    have not ended. Raises `NotFoundError`."""
    path = _path(records, wanted)
    view = next((each for each in live(split_input_id(path[0])[0]) if each.input_id == path[0]), None)
    root = InputNode(path[0], records.input(path[0]), view)
    return {"path": path, "root": _input(CallGraph(records, live, LIMITS, always=path).below_input(root))}


def _path(records: RecordReader, wanted: str) -> list[str]:
    path = [wanted]
    while len(path) < LIMITS.depth:
        summary = records.call(split_input_id(path[0])[0])
        if summary is None:
            if len(path) == 1:
                raise NotFoundError(f"no input {wanted} is known here")
            break
        parent = summary.call.parent_input_id
        if parent is None or parent in path:
            break
        path.insert(0, parent)
    return path


def _input(node: InputNode) -> Json:
    shown: Json = {"input_id": node.input_id, "state": "live"}
    if node.record is not None:
        shown = input_json(node.record)
    elif node.view is not None:
        shown = live_input_json(node.view)
    return {**shown, "calls": [_call(each) for each in node.calls], "more_calls": node.more_calls}


def _call(node: CallNode) -> Json:
    inputs = [_input(each) for each in node.inputs]
    return {**call_json(node.summary), "inputs": inputs, "more_inputs": node.more_inputs > 0}
