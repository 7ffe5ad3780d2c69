"""Moments on the wall clock, also after it was set or the machine slept."""

from __future__ import annotations

import asyncio
import time

import pytest

from motet.core.engine import Engine
from motet.server.driver import Driver
from motet.server.wall_clock import DRIFT, WallClock
from motet.testing.playbook import text_failure
from motet.testing.virtual_loop import VirtualLoop


class Clocks:
    def __init__(self) -> None:
        self.monotonic = 100.0
        self.wall = 5_000.0
        self.between = WallClock(lambda: self.monotonic, lambda: self.wall)

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.5])
def test_after_the_wall_clock_has_jumped_moments_are_dated_by_it(jump: float) -> None:
    clocks = Clocks()
    clocks.pass_time(10.0)
    assert clocks.monotonic + clocks.between.offset == 5_010.0
    clocks.wall += jump
    clocks.pass_time(1.0)
    assert clocks.monotonic + clocks.between.offset == 5_011.0 + jump


def test_a_machine_that_slept_is_no_exception() -> None:
    clocks = Clocks()
    clocks.wall += 8 * 3600.0
    assert clocks.monotonic + clocks.between.offset == clocks.wall


def test_a_small_drift_leaves_moments_where_they_were() -> None:
    clocks = Clocks()
    before = clocks.between.offset
    clocks.wall += DRIFT / 2
    assert clocks.between.offset == before
    clocks.wall += DRIFT
    assert clocks.between.offset == pytest.approx(before + 1.5 * DRIFT)


def test_a_drivers_moments_follow_the_wall_clock() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        driver = Driver(Engine(failure=text_failure), loop)
        loop.skip(3600.0)  # the two clocks are an hour apart now
        assert driver.wall(driver.now) == pytest.approx(time.time(), abs=5.0)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
