"""A batch in the container: callers' arguments become lists by name, and the list of results becomes outcomes."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import msgspec
import pytest

from motet.client.gate import Gate
from motet.context.current_input import current_attempt, current_attempts, current_input_id
from motet.errors import DeserializationError, InputCancellation, InvalidError
from motet.model.current_attempt import Attempt
from motet.model.function import MethodSpec
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime.attempts.batch import (
    BatchDelivery,
    Batched,
    BatchEnd,
    Transposition,
    batch_of,
    run_batch,
    run_batch_async,
)
from motet.wire import failure, payload
from tests.runtime.attempts.alone import attempt_at

Call = tuple[tuple[Any, ...], dict[str, Any]]


def add(x: list[int], y: list[int]) -> list[int]:
    return [a + b for a, b in zip(x, y, strict=True)]


async def add_async(x: list[int], y: list[int]) -> list[int]:
    await asyncio.sleep(0)
    return add(x, y)


def positional_only(x: list[int], /, y: list[int]) -> list[int]:
    return add(x, y)


def batch(*calls: Call) -> BatchDelivery:
    return batch_of(
        [Delivery(10 + n, f"fc-{n}", n, "", payload.dumps(call, "arguments")) for n, call in enumerate(calls)]
    )


def run(function: Callable[..., Any], *calls: Call, cancelled: bool = False) -> list[AttemptEnd]:
    attempt = attempt_at(Batched(MethodSpec(), function), batch(*calls), Gate(), cancelled=cancelled)
    end = copy_context().run(run_batch, attempt)
    assert isinstance(end, BatchEnd)
    assert end.attempt == 10
    return end.members


def values(ends: list[AttemptEnd]) -> list[Any]:
    assert {end.kind for end in ends} == {OutcomeKind.SUCCESS}
    return [payload.loads(end.payload, "result") for end in ends]


def error(ends: list[AttemptEnd]) -> BaseException:
    """What all of them failed with."""
    assert {end.kind for end in ends} == {OutcomeKind.FAILURE}
    assert len({end.payload for end in ends}) == 1
    return failure.rebuild(ends[0].payload)


MIXED: list[Call] = [((1, 2), {}), ((3,), {"y": 4}), ((), {"y": 6, "x": 5})]


@pytest.mark.parametrize("function", [add, positional_only])
def test_mixed_positional_and_keyword_arguments_are_put_together_by_name(function: Callable[..., Any]) -> None:
    assert values(run(function, *MIXED)) == [3, 7, 11]


def test_an_async_function_is_awaited() -> None:
    end = asyncio.run(run_batch_async(attempt_at(Batched(MethodSpec(is_async=True), add_async), batch(*MIXED), None)))
    assert isinstance(end, BatchEnd)
    assert values(end.members) == [3, 7, 11]


def test_a_method_is_called_with_its_object() -> None:
    class Model:
        def scale(self, x: list[int]) -> list[int]:
            return [self.factor * it for it in x]

        factor = 3

    assert values(run(functools.partial(Model.scale, Model()), ((1,), {}), ((2,), {}))) == [3, 6]


def test_code_is_told_of_the_attempts_that_its_lists_are_made_of() -> None:
    second, third = (Attempt(n, "redelivered", "container died", "") for n in (2, 3))
    calls: list[Call] = [((1, 2), {}), ((1,), {}), ((3, 4), {}), ((5, 6), {})]
    members = batch(*calls).members
    again = [second, None, None, third]
    members = [msgspec.structs.replace(it, again=told) for it, told in zip(members, again, strict=True)]
    seen: list[Any] = []

    def work(x: list[int], y: list[int]) -> list[int]:
        seen.append((current_attempt(), current_attempts()))
        return add(x, y)

    attempt = attempt_at(Batched(MethodSpec(), work), batch_of(members), Gate())
    copy_context().run(run_batch, attempt)
    assert seen == [(second, (second, Attempt(), third))]  # without that of the call that does not fit


def test_a_batch_of_one_still_gets_lists() -> None:
    assert values(run(lambda x: [x], ((7,), {}))) == [[7]]


def test_a_hundred_inputs_make_one_call() -> None:
    assert values(run(lambda x: [len(x)] * len(x), *[((n,), {}) for n in range(100)])) == [100] * 100


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (((1,), {}), "takes 2 positional arguments, but this invocation has 1."),
        (((1, 2, 3), {}), "takes 2 positional arguments, but this invocation has 3."),
        (((1,), {"z": 2}), "got unexpected keyword argument z in this invocation."),
        (((1,), {"x": 2}), "got multiple values for argument x in this invocation."),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_call_that_does_not_fit_fails_alone(call: Call, message: str, place: int) -> None:
    calls: list[Call] = [((1, 2), {}), ((), {"y": 4, "x": 3})]
    calls.insert(place, call)
    ends = run(add, *calls)
    raised = error([ends.pop(place)])
    assert isinstance(raised, InvalidError)
    assert str(raised) == f"Motet batched function add {message}"
    assert values(ends) == [3, 7]


def test_arguments_that_cannot_be_unpickled_fail_their_input_alone() -> None:
    whole = batch(((1, 2), {}), ((3, 4), {}))
    broken = Delivery(12, "fc-2", 2, "", b"no pickle")
    attempt = attempt_at(Batched(MethodSpec(), add), batch_of([*whole.members, broken]), Gate())
    end = copy_context().run(run_batch, attempt)
    assert isinstance(end, BatchEnd)
    assert isinstance(error([end.members.pop()]), DeserializationError)
    assert values(end.members) == [3, 7]


def test_a_batch_that_nobody_fits_makes_no_call() -> None:
    called: list[object] = []
    ends = run(called.append, ((1, 2), {}), ((1, 2), {}))
    assert {end.kind for end in ends} == {OutcomeKind.FAILURE}
    assert called == []


def test_a_misfit_keeps_its_own_failure_when_the_call_fails_for_the_others() -> None:
    def fail(x: list[int]) -> list[int]:
        raise KeyError("lost")

    ends = run(fail, ((1,), {}), ((), {}))
    assert isinstance(error(ends[:1]), KeyError)
    assert isinstance(error(ends[1:]), InvalidError)


@pytest.mark.parametrize("output", [None, 5, (1, 2), "ab", iter([1, 2])])
def test_the_output_must_be_a_list(output: object) -> None:
    raised = error(run(lambda x: output, ((1,), {}), ((2,), {})))
    assert str(raised) == "Output of batched function <lambda> must be a list."


@pytest.mark.parametrize("output", [[], [1], [1, 2, 3]])
def test_the_output_must_have_a_result_for_each_input(output: list[int]) -> None:
    raised = error(run(lambda x: output, ((1,), {}), ((2,), {})))
    assert str(raised) == "Output of batched function <lambda> must be a list of equal length as its inputs."


def test_an_exception_is_every_members_failure() -> None:
    def fail(x: list[int]) -> list[int]:
        raise KeyError("lost")

    raised = error(run(fail, ((1,), {}), ((2,), {})))
    assert isinstance(raised, KeyError)


def test_a_result_that_cannot_be_sent_fails_its_own_input_alone() -> None:
    ends = run(lambda x: [1, (it for it in x), 3], *[((n,), {}) for n in range(3)])
    assert [end.kind for end in ends] == [OutcomeKind.SUCCESS, OutcomeKind.FAILURE, OutcomeKind.SUCCESS]


def test_a_cancelled_batch_is_cancelled_for_every_member() -> None:
    def cancelled(x: list[int]) -> list[int]:
        raise InputCancellation("Input was cancelled")

    calls: list[Call] = [((1,), {}), ((2,), {})]
    assert {end.kind for end in run(cancelled, *calls, cancelled=True)} == {OutcomeKind.CANCELLED}
    assert {end.kind for end in run(cancelled, *calls)} == {OutcomeKind.FAILURE}


def test_the_current_input_is_the_first_member() -> None:
    assert values(run(lambda x: [current_input_id()] * 2, ((1,), {}), ((2,), {}))) == ["in-0-0"] * 2
    assert current_input_id() is None


def test_transposition_keeps_the_order_of_the_inputs() -> None:
    transposition = Transposition(add, "add")
    arguments = transposition.arguments([transposition.named(*call) for call in MIXED])
    assert arguments == ((), {"x": [1, 3, 5], "y": [2, 4, 6]})
