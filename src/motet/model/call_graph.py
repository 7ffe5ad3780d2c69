"""The inputs of a call, the calls these made, the inputs of those, and so on."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from motet.model.ids import input_id, split_input_id
from motet.model.outcome import OutcomeKind
from motet.model.record_queries import CallQuery, InputQuery
from motet.model.records import CallSummary, InputRecord
from motet.model.views import InputView


class InputStatus(enum.IntEnum):
    """How an input stands. PENDING: it waits or runs; TERMINATED: it was cancelled. INIT_FAILURE is not told apart from
    FAILURE here."""

    PENDING = 0
    SUCCESS = 1
    FAILURE = 2
    TERMINATED = 3
    TIMEOUT = 4
    INIT_FAILURE = 5


_STATUS = {
    OutcomeKind.SUCCESS: InputStatus.SUCCESS,
    OutcomeKind.TIMED_OUT: InputStatus.TIMEOUT,
    OutcomeKind.CANCELLED: InputStatus.TERMINATED,
}


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


class InputNode(msgspec.Struct):
    """An input, ended (`record`) or not (`view`), and the calls it made. `more_calls`: it made others, which are left out."""

    input_id: str
    record: InputRecord | None
    view: InputView | None
    calls: list[CallNode] = msgspec.field(default_factory=list)
    more_calls: bool = False

    @property
    def container_id(self) -> str:
        """Where it ran last, or empty."""
        found = self.record.container_id if self.record else self.view.container_id if self.view else ""
        return found or ""

    @property
    def status(self) -> InputStatus:
        """How it stands."""
        return InputStatus.PENDING if self.record is None else _STATUS.get(self.record.kind, InputStatus.FAILURE)


class CallNode(msgspec.Struct):
    """A call and its inputs, in order; `more_inputs` are left out."""

    summary: CallSummary
    inputs: list[InputNode] = msgspec.field(default_factory=list)
    more_inputs: int = 0


class Limits(msgspec.Struct, frozen=True):
    """How large a graph may become."""

    depth: int = 50
    inputs: int = 10_000
    inputs_of_call: int = 10_000
    calls_of_input: int = 1_000


DEFAULT_LIMITS = Limits()


class GraphRecords(Protocol):
    """What a graph is made of."""

    def calls(self, query: CallQuery) -> list[CallSummary]: ...

    def inputs(self, query: InputQuery) -> list[InputRecord]: ...

    def input(self, input_id: str) -> InputRecord | None: ...


class CallGraph:
    """Builds graphs of up to `limits` in all; `live` gives the inputs of a call that have not ended. Of a call, those inputs
    that are `always` to be there come on top."""

    def __init__(
        self,
        records: GraphRecords,
        live: Callable[[str], Sequence[InputView]],
        limits: Limits = DEFAULT_LIMITS,
        always: Sequence[str] = (),
    ) -> None:
        self._records = records
        self._live = live
        self._limits = limits
        self._room = limits.inputs
        self._always = always

    def below_call(self, summary: CallSummary, depth: int = 0) -> CallNode:
        """A call, its inputs, and what they called."""
        call_id = summary.call.call_id
        # Before the records: an input that ends in between is found in both places, rather than in none.
        live = self._live(call_id)
        most = min(self._limits.inputs_of_call, self._room)
        ended = self._records.inputs(InputQuery(call_id=call_id, limit=most)) if most > 0 else []
        records: dict[str, InputRecord] = {input_id(call_id, record.index): record for record in ended}
        views = {view.input_id: view for view in live if view.input_id not in records}
        nodes = [InputNode(each, records.get(each), views.get(each)) for each in (*records, *views)]
        nodes.sort(key=lambda node: int(node.input_id.rpartition("-")[2]))
        total = max(summary.ended_inputs, len(records)) + len(views)
        nodes = nodes[: max(0, most)]
        self._room -= len(nodes)
        left_out = total - len(nodes)
        there = {node.input_id for node in nodes}
        for each in self._always:
            if each not in there and split_input_id(each)[0] == call_id:
                nodes.append(InputNode(each, self._records.input(each), views.get(each)))
        for node in nodes:
            self._add_calls(node, depth)
        return CallNode(summary, nodes, left_out)

    def below_input(self, node: InputNode) -> InputNode:
        """The same input, with what it called."""
        self._add_calls(node, 0)
        return node

    def _add_calls(self, node: InputNode, depth: int) -> None:
        limit = self._limits.calls_of_input
        found = self._records.calls(CallQuery(parent_input_id=node.input_id, limit=limit))
        if depth >= self._limits.depth or self._room <= 0:
            node.more_calls = bool(found)
            return
        node.more_calls = len(found) == limit
        # The newest were found; they are shown in the order in which they were made.
        for summary in sorted(found, key=lambda each: each.call.submitted_at):
            node.calls.append(self.below_call(summary, depth + 1))


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
