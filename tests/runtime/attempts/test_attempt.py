"""One attempt: what becomes of what a function returns."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

from motet.client.gate import Gate
from motet.errors import InvalidError
from motet.model.outcome import Delivery, OutcomeKind
from motet.runtime.attempts.ways import run_sync
from motet.wire import failure, payload
from tests.runtime.attempts.alone import attempt_at


def outcome(function: Callable[[], Any]) -> Any:
    """The value that it returns, or the exception that its caller gets."""
    delivery = Delivery(1, "fc-1", 0, "", payload.dumps(((), {}), "arguments"))
    end = copy_context().run(run_sync, attempt_at(function, delivery, Gate()))
    return payload.loads(end.payload, "") if end.kind is OutcomeKind.SUCCESS else failure.rebuild(end.payload)


def test_an_async_function_below_a_sync_decorator_is_told_of_the_decorator() -> None:
    async def fetch() -> int:
        return 1

    raised = outcome(fetch)
    assert isinstance(raised, InvalidError)
    assert "a coroutine, of " in str(raised)
    assert "fetch. Is that async, below a decorator that is not?" in str(raised)


@pytest.mark.parametrize("value", [1, None, ["a"], {"b": 2}])
def test_values_are_returned(value: object) -> None:
    assert outcome(lambda: value) == value
