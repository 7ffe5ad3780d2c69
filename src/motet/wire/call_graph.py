"""A call graph on the wire: its inputs in one list, each after the one that called it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from motet.records.call_graph import CallNode, InputStatus


class GraphInput(msgspec.Struct, array_like=True, frozen=True):
    """An input of a graph on the wire: `parent` is the place, in the list, of the input that made its call; -1: none is in
    the graph."""

    parent: int
    input_id: str
    call_id: str
    container_id: str
    status: InputStatus
    function_name: str
    module_name: str


def flattened(call: CallNode, module_of: Callable[[str], str]) -> list[GraphInput]:
    """The inputs of a graph, each after the one that called it; `module_of` gives the module of a function, by its id."""
    found: list[GraphInput] = []
    _flatten(call, -1, module_of, found)
    return found


def _flatten(call: CallNode, parent: int, module_of: Callable[[str], str], found: list[GraphInput]) -> None:
    record = call.summary.call
    module = module_of(record.function_id)
    name = f"{call.summary.function_name}.{record.method}" if record.method else call.summary.function_name
    for node in call.inputs:
        place = len(found)
        found.append(GraphInput(parent, node.input_id, record.call_id, node.container_id, node.status, name, module))
        for each in node.calls:
            _flatten(each, place, module_of, found)
