"""A failure can always be told: whatever goes wrong while an outcome is made, there is one, and the slot is free again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from motet.errors import InternalError, InvalidError, RequestSizeError
from motet.model.outcome import OutcomeKind
from motet.wire import failure, payload
from tests.runtime.inside import TIMEOUT, Inside

NAME = os.fsdecode(b"caf\xe9.txt")


class Ends(Exception):
    def __str__(self) -> str:
        raise SystemExit(5)


class Unaskable(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("do not ask")


class Broken:
    def write(self, text: str) -> int:
        raise KeyboardInterrupt

    flush = close = write


def raises(error: BaseException) -> None:
    raise error


def told(work: Callable[..., Any], *, is_async: bool) -> BaseException:
    """What the caller gets of the first input; a second one must find a free slot."""
    calls = iter([work, lambda: "next"])

    def run() -> Any:
        return next(calls)()

    async def run_async() -> Any:
        return run()

    loop = asyncio.new_event_loop() if is_async else None
    inside = Inside(run_async if is_async else run, 1, is_async=is_async, loop=loop)
    try:
        for attempt in (1, 2):
            inside.idle.clear()
            inside.deliver(attempt)
            if loop is not None:
                loop.run_until_complete(asyncio.wait_for(inside.idle.wait(), TIMEOUT))
        first = inside.ends.get(timeout=TIMEOUT)
        assert inside.end() == (2, OutcomeKind.SUCCESS, "next")
        assert first.kind is OutcomeKind.FAILURE
        return failure.rebuild(first.payload)
    finally:
        inside.close()
        if loop is not None:
            loop.close()


@pytest.mark.parametrize("is_async", [False, True])
def test_text_that_is_not_utf8_is_told(is_async: bool) -> None:
    assert told(lambda: raises(ValueError(NAME)), is_async=is_async).args == (NAME,)


@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_whose_text_ends_the_program_is_told(is_async: bool) -> None:
    assert type(told(lambda: raises(Ends()), is_async=is_async)) is Ends


@pytest.mark.parametrize("is_async", [False, True])
def test_an_exception_of_which_nothing_can_be_asked_is_told_as_a_failure_of_ours(is_async: bool) -> None:
    error = told(lambda: raises(Unaskable()), is_async=is_async)
    assert type(error) is InternalError
    assert "no outcome could be made: RuntimeError" in str(error)


def test_an_async_function_under_a_decorator_that_is_not_is_told_about_as_that() -> None:
    async def fetch() -> int:
        return 1

    error = told(lambda: fetch(), is_async=False)  # noqa: PLW0108 - the decorator
    assert type(error) is InvalidError
    assert "returned a coroutine" in str(error)
    assert "fetch" in str(error)
    assert "is_generator" not in str(error)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stderr_that_raises_keeps_nothing_from_being_told(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Broken())
    assert type(told(lambda: raises(ValueError("bad")), is_async=is_async)) is ValueError
    monkeypatch.setattr(payload, "MAX_PAYLOAD_BYTES", 1000)
    assert type(told(lambda: bytes(2000), is_async=is_async)) is RequestSizeError
