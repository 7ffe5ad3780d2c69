"""The inputs of a call, the calls these made, the inputs of those, and so on."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from motet.model.ids import input_id, split_input_id
from motet.model.outcome import OutcomeKind
from motet.model.views import InputView
from motet.records.calls import CallSummary
from motet.records.inputs import InputRecord
from motet.records.queries import CallQuery, InputQuery


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


class GraphLimits(msgspec.Struct, frozen=True):
    """How large a graph may become."""

    depth: int = 50
    inputs: int = 10_000
    inputs_of_call: int = 10_000
    calls_of_input: int = 1_000


DEFAULT_LIMITS = GraphLimits()


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
        limits: GraphLimits = DEFAULT_LIMITS,
        always: Sequence[str] = (),
    ) -> None:
        self._records = records
        self._live = live
        self._limits = limits
        # Of all branches together: the first ones may take it all, and those after them are told of as left out.
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
