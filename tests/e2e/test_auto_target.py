"""A pool of real containers learns its target."""

from __future__ import annotations

import asyncio

from tests.e2e.conftest import assert_nothing_left
from tests.e2e.programs.auto_target import app, wait

CALLERS, CALLS = 24, 120


async def _one_after_another(caller: int) -> int:
    return sum([await wait.remote.aio(caller) == caller for _ in range(CALLS)])


async def _all_callers() -> int:
    return sum(await asyncio.gather(*map(_one_after_another, range(CALLERS))))


def test_a_target_of_inputs_that_only_wait_rises() -> None:
    with app.run():
        before = wait.get_current_stats().learned_target
        assert before is not None
        assert (before.target_inputs, before.confidence, before.curve) == (4, 0.0, ())
        assert asyncio.run(_all_callers()) == CALLERS * CALLS
        after = wait.get_current_stats().learned_target
    assert after is not None
    assert 4 < after.target_inputs <= 16
    assert 0 < after.confidence <= 1
    assert all(1 <= point.inputs <= 16 and point.p95 >= 0.03 for point in after.curve if point.observations > 20)
    assert_nothing_left()
