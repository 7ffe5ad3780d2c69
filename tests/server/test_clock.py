"""Moments on the wall clock, also after it was set or the machine slept, and moments of a container's clock."""

from __future__ import annotations

import asyncio
import time

import pytest

from motet.model.outcome import AttemptEnd, OutcomeKind
from motet.server.clock import DRIFT, Clock
from motet.server.containers.container_clock import ContainerClock
from motet.testing.virtual_loop import VirtualLoop
from motet.wire.output_messages import Stalled


class Clocks:
    def __init__(self) -> None:
        self.monotonic = 100.0
        self.wall = 5_000.0
        self.clock = Clock(lambda: self.monotonic, lambda: self.wall)

    def pass_time(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.5])
def test_after_the_wall_clock_has_jumped_moments_are_dated_by_it(jump: float) -> None:
    clocks = Clocks()
    clocks.pass_time(10.0)
    assert clocks.clock.wall(clocks.monotonic) == 5_010.0
    clocks.wall += jump
    clocks.pass_time(1.0)
    assert clocks.clock.wall_now() == 5_011.0 + jump


def test_a_machine_that_slept_is_no_exception() -> None:
    clocks = Clocks()
    clocks.wall += 8 * 3600.0
    assert clocks.clock.wall_now() == clocks.wall


def test_a_small_drift_leaves_moments_where_they_were() -> None:
    clocks = Clocks()
    before = clocks.clock.offset
    clocks.wall += DRIFT / 2
    assert clocks.clock.offset == before
    clocks.wall += DRIFT
    assert clocks.clock.offset == pytest.approx(before + 1.5 * DRIFT)


def test_the_clock_of_a_loop_follows_the_wall_clock() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        clock = Clock.of_loop(loop)
        loop.skip(3600.0)  # the two clocks are an hour apart now
        assert clock.wall_now() == pytest.approx(time.time(), abs=5.0)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def an_end(began: float, finished: float) -> AttemptEnd:
    return AttemptEnd(1, OutcomeKind.SUCCESS, b"", began, finished)


@pytest.mark.parametrize("read", [10.0, 10.003, 10.5])
def test_a_clock_that_may_be_the_servers_own_is_taken_for_it(read: float) -> None:
    clock = ContainerClock(asked=10.0)
    clock.told(read, heard=10.5)
    assert clock.behind == 0.0


@pytest.mark.parametrize("ahead", [-86_400.0, -0.4, 0.4, 1e9])
def test_moments_of_another_clock_are_put_on_the_servers(ahead: float) -> None:
    clock = ContainerClock(asked=10.0)
    clock.told(10.2 + ahead, heard=10.4)
    (end,) = clock.ends([an_end(11.0 + ahead, 12.0 + ahead)])
    assert (end.began, end.finished) == pytest.approx((11.0, 12.0), abs=1e-6)
    stall = clock.stall(Stalled("fc-1", 0, 11.0 + ahead, 12.0 + ahead, "why"))
    assert (stall.began, stall.ended) == pytest.approx((11.0, 12.0), abs=1e-6)
    assert clock.ends([an_end(0.0, 0.0)]) == [an_end(0.0, 0.0)]
