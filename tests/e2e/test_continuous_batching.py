"""Continuous batching in a real container: streams of many inputs from one loop, and what becomes of it when some go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import assert_nothing_left, wait_until
from tests.e2e.programs.continuous import Counter, app

ENDLESS = 10**9
METHODS = ["in_task", "on_thread"]


@pytest.fixture(scope="module")
def counter() -> Iterator[Any]:
    with app.run():
        yield Counter()
    assert_nothing_left()


@pytest.mark.parametrize("method", METHODS)
def test_inputs_share_steps_and_get_their_own_outputs(counter: Any, method: str) -> None:
    async def main() -> list[list[int]]:
        async def collected(count: int) -> list[int]:
            return [number async for number in getattr(counter, method).remote_gen.aio(count)]

        return await asyncio.gather(*(collected(count) for count in range(1, 21)))

    assert asyncio.run(main()) == [list(range(count)) for count in range(1, 21)]
    assert counter.stats.remote()[1] > 1


@pytest.mark.parametrize("method", METHODS)
def test_leaving_a_stream_takes_its_input_out_of_the_batch(counter: Any, method: str) -> None:
    for number in getattr(counter, method).remote_gen(ENDLESS):
        if number == 3:
            break
    wait_until(lambda: counter.stats.remote()[0].running == 0, "the input has left")


@pytest.mark.parametrize("method", METHODS)
def test_bad_input_and_failed_step_reach_their_callers_and_the_loop_lives(counter: Any, method: str) -> None:
    stream = getattr(counter, method).remote_gen
    with pytest.raises(ValueError, match="a bad input"):
        list(stream(-1))
    with pytest.raises(ArithmeticError, match="the step failed"):
        list(stream(-2))
    assert list(stream(3)) == [0, 1, 2]
