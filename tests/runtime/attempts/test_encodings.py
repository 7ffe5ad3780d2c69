"""Inputs of callers in other languages: their arguments are read, and results are in what they asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import msgspec
import pytest

from motet.client.gate import Gate
from motet.errors import ArgumentError, DeserializationError, SerializationError
from motet.model.function import MethodSpec
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.runtime.attempts.batch import Batched, BatchEnd, batch_of, run_batch
from motet.runtime.attempts.ways import run_async, run_sync
from motet.wire import failure, payload
from motet.wire.encoding import Encoding, body_of_result, encoding_of, marked_arguments
from tests.runtime.attempts.alone import attempt_at

JSON = Encoding.JSON


def add(x: int, y: int = 1) -> dict[str, int]:
    return {"sum": x + y}


def bad(x: int) -> object:
    return object()


def in_json(**arguments: Any) -> bytes:
    return marked_arguments(msgspec.json.encode(arguments), JSON, JSON)


def run(function: Callable[..., Any], data: bytes) -> AttemptEnd:
    attempt = attempt_at(function, Delivery(1, "fc-1", 0, "", data), Gate())
    end: AttemptEnd = copy_context().run(run_sync, attempt)
    return end


def test_json_comes_in_and_goes_out() -> None:
    end = run(add, in_json(args=[1], kwargs={"y": 2}))
    assert (end.kind, encoding_of(end.payload), bytes(body_of_result(end.payload))) == (0, JSON, b'{"sum":3}')


def test_a_python_caller_may_ask_for_json() -> None:
    pickled = payload.dumps(((1,), {}), "it")
    end = run(add, marked_arguments(pickled, Encoding.PICKLE, JSON))
    assert bytes(body_of_result(end.payload)) == b'{"sum":2}'


def test_an_async_function_takes_json_too() -> None:
    async def slow(x: int) -> int:
        await asyncio.sleep(0)
        return x * 2

    async def main() -> AttemptEnd:
        end: AttemptEnd = await run_async(attempt_at(slow, Delivery(1, "fc-1", 0, "", in_json(args=[4])), None))
        return end

    assert bytes(body_of_result(asyncio.run(main()).payload)) == b"8"


@pytest.mark.parametrize(
    ("function", "data", "error", "fault"),
    [
        (add, in_json(args=["1"]), ArgumentError, r"add\(\) argument 'x': Expected `int`, got `str`"),
        (add, b"JJ[1", DeserializationError, "cannot be read as JSON"),
        (bad, in_json(args=[1]), SerializationError, "the result is of type object"),
    ],
)
def test_what_does_not_fit_is_the_failure(function: Any, data: bytes, error: type[Exception], fault: str) -> None:
    end = run(function, data)
    assert end.kind is OutcomeKind.FAILURE
    with pytest.raises(error, match=fault):
        raise failure.rebuild(end.payload)


def test_members_of_a_batch_may_each_be_in_another_encoding() -> None:
    def twice(x: list[int]) -> list[int]:
        return [each * 2 for each in x]

    pickled = payload.dumps(((1,), {}), "it")
    members = [
        Delivery(n, f"fc-{n}", 0, "", data) for n, data in enumerate([pickled, in_json(args=[2]), in_json(args=["3"])])
    ]
    attempt = attempt_at(Batched(MethodSpec(), twice), batch_of(members), Gate())
    end = copy_context().run(run_batch, attempt)
    assert isinstance(end, BatchEnd)
    first, second, third = end.members
    assert (payload.loads(first.payload, ""), bytes(second.payload), third.kind) == (2, b"J4", OutcomeKind.FAILURE)
