"""Trees of calls: what is in them, in which order, and where they are cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from motet.model.attempt import AttemptRecord
from motet.model.outcome import CallKind, OutcomeKind
from motet.model.views import InputView
from motet.records.call_graph import CallGraph, GraphLimits, InputNode, InputStatus
from motet.records.calls import CallRecord, CallSummary
from motet.records.inputs import InputRecord
from motet.records.queries import CallQuery, InputQuery
from motet.sdk.call.call_graph import input_infos
from motet.wire.call_graph import GraphInput, flattened


class Made:
    """Records made by hand."""

    def __init__(self) -> None:
        self.summaries: list[CallSummary] = []
        self.ended: list[InputRecord] = []
        self.live: list[InputView] = []

    def call(self, name: str, *kinds: OutcomeKind, parent: str | None = None, method: str = "") -> CallSummary:
        """A call `fc-name` of function `name` whose inputs ended so."""
        call_id, at = f"fc-{name}", float(len(self.summaries))
        call = CallRecord(call_id, "fu-1", CallKind.ATTACHED, method, at, parent)
        counts = [sum(kind is each for kind in kinds) for each in (OutcomeKind.SUCCESS, OutcomeKind.FAILURE)]
        self.summaries.append(CallSummary(call, "ap-1", name, at + 1, *counts, 0, 0, 0))
        for index, kind in enumerate(kinds):
            attempt = AttemptRecord(f"ta-{name}", at, at + 1, kind)
            self.ended.append(InputRecord.of(call_id, index, at, at + 1, kind, [attempt]))
        return self.summaries[-1]

    def running(self, call_id: str, index: int, container_id: str | None = None) -> None:
        view = f"in-{call_id[3:]}-{index}"
        self.live.append(
            InputView(
                input_id=view,
                call_id=call_id,
                method="",
                state="running",
                submitted_at=0.0,
                attempts=1,
                container_id=container_id,
            )
        )

    def calls(self, query: CallQuery) -> list[CallSummary]:
        found = [each for each in self.summaries if each.call.parent_input_id == query.parent_input_id]
        return found[::-1][: query.limit]

    def inputs(self, query: InputQuery) -> list[InputRecord]:
        return [each for each in self.ended if each.call_id == query.call_id][: query.limit]

    def input(self, input_id: str) -> InputRecord | None:
        return next((each for each in self.ended if f"in-{each.call_id[3:]}-{each.index}" == input_id), None)

    def graph(self, limits: GraphLimits | None = None, always: Sequence[str] = ()) -> CallGraph:
        live = self.live
        return CallGraph(
            self, lambda call_id: [it for it in live if it.call_id == call_id], limits or GraphLimits(), always
        )

    def flat(self, root: CallSummary) -> list[GraphInput]:
        return flattened(self.graph().below_call(root), lambda function_id: f"module of {function_id}")


OK, FAILED = OutcomeKind.SUCCESS, OutcomeKind.FAILURE


def test_inputs_have_those_that_they_called_below_them_in_order() -> None:
    made = Made()
    root = made.call("order", OK)
    made.call("fetch", OK, FAILED, parent="in-order-0")
    made.call("price", OK, parent="in-order-0", method="ask")
    made.call("tax", OK, parent="in-fetch-1")
    (info,) = input_infos(made.flat(root))
    assert (info.input_id, info.function_call_id, info.function_name) == ("in-order-0", "fc-order", "order")
    assert [(it.input_id, it.function_name, it.status) for it in info.children] == [
        ("in-fetch-0", "fetch", InputStatus.SUCCESS),
        ("in-fetch-1", "fetch", InputStatus.FAILURE),
        ("in-price-0", "price.ask", InputStatus.SUCCESS),
    ]
    assert [it.input_id for it in info.children[1].children] == ["in-tax-0"]
    assert info.children[1].task_id == "ta-fetch"
    assert info.children[1].module_name == f"module of {made.summaries[1].call.function_id}"


def test_an_input_that_has_not_ended_is_pending_and_in_its_place() -> None:
    made = Made()
    root = made.call("order", OK)
    made.running("fc-order", 2)
    made.running("fc-order", 1, "ta-7")
    infos = input_infos(made.flat(root))
    assert [(it.input_id, it.status, it.task_id) for it in infos] == [
        ("in-order-0", InputStatus.SUCCESS, "ta-order"),
        ("in-order-1", InputStatus.PENDING, "ta-7"),
        ("in-order-2", InputStatus.PENDING, ""),
    ]


def test_an_input_that_ended_while_one_looked_is_there_once() -> None:
    made = Made()
    root = made.call("order", OK)
    made.running("fc-order", 0)
    assert [it.status for it in input_infos(made.flat(root))] == [InputStatus.SUCCESS]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (OutcomeKind.SUCCESS, InputStatus.SUCCESS),
        (OutcomeKind.FAILURE, InputStatus.FAILURE),
        (OutcomeKind.TIMED_OUT, InputStatus.TIMEOUT),
        (OutcomeKind.CANCELLED, InputStatus.TERMINATED),
        (OutcomeKind.LOST, InputStatus.FAILURE),
        (OutcomeKind.REFUSED, InputStatus.FAILURE),
    ],
)
def test_every_outcome_has_a_status(kind: OutcomeKind, status: InputStatus) -> None:
    made = Made()
    assert [it.status for it in input_infos(made.flat(made.call("f", kind)))] == [status]


def test_a_large_call_is_cut_and_tells_how_much_is_left_out() -> None:
    made = Made()
    root = made.call("order", *[OK] * 30)
    made.running("fc-order", 30)
    call = made.graph(GraphLimits(inputs_of_call=10)).below_call(root)
    assert (len(call.inputs), call.more_inputs) == (10, 21)


def test_inputs_that_are_always_to_be_there_are_in_a_call_that_is_cut() -> None:
    made = Made()
    root = made.call("order", *[OK] * 30)
    made.running("fc-order", 30, "ta-7")
    call = made.graph(
        GraphLimits(inputs_of_call=2), ["in-order-1", "in-order-20", "in-order-30", "in-fetch-0"]
    ).below_call(root)
    assert [each.input_id for each in call.inputs] == ["in-order-0", "in-order-1", "in-order-20", "in-order-30"]
    assert [each.container_id for each in call.inputs[2:]] == ["ta-order", "ta-7"]
    assert call.more_inputs == 29


def test_all_inputs_together_are_bounded() -> None:
    made = Made()
    root = made.call("order", *[OK] * 4)
    for index in range(4):
        made.call(f"f{index}", *[OK] * 4, parent=f"in-order-{index}")
    call = made.graph(GraphLimits(inputs=10)).below_call(root)
    below = [len(each.calls[0].inputs) if each.calls else 0 for each in call.inputs]
    assert (len(call.inputs), sum(below)) == (4, 6)
    assert call.inputs[-1].more_calls


def test_a_chain_that_goes_too_deep_ends_and_says_so() -> None:
    made = Made()
    root = made.call("f0", OK)
    for number in range(1, 9):
        made.call(f"f{number}", OK, parent=f"in-f{number - 1}-0")
    (node,) = made.graph(GraphLimits(depth=3)).below_call(root).inputs
    depth = 0
    while node.calls:
        (node,) = node.calls[0].inputs
        depth += 1
    assert (depth, node.more_calls) == (3, True)


def test_below_an_input_are_only_its_own_calls() -> None:
    made = Made()
    made.call("order", OK, OK)
    made.call("fetch", OK, parent="in-order-1")
    assert made.graph().below_input(InputNode("in-order-0", None, None)).calls == []
    assert len(made.graph().below_input(InputNode("in-order-1", None, None)).calls) == 1
