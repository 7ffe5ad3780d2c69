"""The call graph as `FunctionCall.get_call_graph()` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from motet.records.call_graph import InputStatus
from motet.wire.call_graph import GraphInput


@dataclass(slots=True)
class InputInfo:
    """An input in a call graph; `children` are the inputs of the calls that it made, in the order of these.

    `task_id`: the container of its last attempt, or empty. `module_name`: where the code of its function was imported from;
    empty if that travelled by value, or if its app has ended.
    """

    input_id: str
    function_call_id: str
    task_id: str
    status: InputStatus
    function_name: str
    module_name: str
    children: list[InputInfo] = field(default_factory=list)


def input_infos(inputs: Sequence[GraphInput]) -> list[InputInfo]:
    """The graph as users get it: the inputs of the call, each with those below it."""
    infos = [
        InputInfo(each.input_id, each.call_id, each.container_id, each.status, each.function_name, each.module_name)
        for each in inputs
    ]
    for info, each in zip(infos, inputs, strict=True):
        if each.parent >= 0:
            infos[each.parent].children.append(info)
    return [info for info, each in zip(infos, inputs, strict=True) if each.parent < 0]
