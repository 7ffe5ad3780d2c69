"""An event loop that does not turn: when it counts as stuck, and what has begun on it when it is held."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

import pytest

from motet.model.outcome import OutcomeKind
from motet.runtime.stalls.stalls import Sample
from motet.runtime.stalls.stuck import Stuck, stuck_after
from tests.runtime.inside import TIMEOUT, Inside


class Heard:
    def __init__(self, seconds: float) -> None:
        self.story: list[str] = []
        self.stuck = Stuck(seconds, lambda: self.story.append("blocked"), lambda: self.story.append("turns"))

    def see(self, *, answered: bool, slept: float = 0.1, starved: float = 0.0) -> list[str]:
        self.stuck.take(Sample(slept=slept, answered=0.0 if answered else None, loop_starved=starved), tick=0.1)
        return self.story


def test_it_is_told_once_that_the_loop_is_stuck_and_once_that_it_turns() -> None:
    heard = Heard(0.25)
    assert heard.see(answered=False) == heard.see(answered=False) == []
    assert heard.see(answered=False) == heard.see(answered=False) == ["blocked"]
    assert heard.see(answered=True) == heard.see(answered=True) == ["blocked", "turns"]


def test_time_without_a_cpu_and_time_in_which_the_process_stood_do_not_count() -> None:
    heard = Heard(0.25)
    for _ in range(20):
        heard.see(answered=False, starved=0.1)
    assert heard.see(answered=False, slept=60.0) == []
    assert heard.see(answered=False) == ["blocked"]


@pytest.mark.parametrize(("timeout", "seconds"), [(300.0, 2.0), (4.0, 1.0), (0.5, 0.25)])
def test_it_is_soon_enough_for_the_timeout_of_those_behind(timeout: float, seconds: float) -> None:
    assert stuck_after(timeout) == seconds


def test_what_has_not_begun_is_given_back_and_never_begins() -> None:
    began: queue.SimpleQueue[int] = queue.SimpleQueue()
    goes_on = threading.Event()

    async def work(number: int) -> int:
        began.put(number)
        if number == 1:
            goes_on.wait(TIMEOUT)
        return number

    loop = asyncio.new_event_loop()
    inside = Inside(work, max_inputs=4, is_async=True, loop=loop)
    told: list[Any] = []

    def watch() -> None:
        assert began.get(timeout=TIMEOUT) == 1
        told.append(inside.executor.hold())
        goes_on.set()

    async def serve() -> None:
        inside.deliver_all(1, 2, 3)
        await asyncio.wait_for(inside.idle.wait(), TIMEOUT)
        inside.deliver_all(4)  # was on its way when the container gave up what it had not read
        inside.executor.resume()
        inside.idle.clear()
        inside.deliver_all(5)
        await asyncio.wait_for(inside.idle.wait(), TIMEOUT)

    watching = threading.Thread(target=watch)
    watching.start()
    loop.run_until_complete(serve())
    watching.join(TIMEOUT)
    assert (told[0].seen, told[0].not_begun) == (3, [2, 3])
    ends = {end.attempt: end.kind for end in (inside.ends.get(timeout=TIMEOUT) for _ in range(5))}
    cancelled, success = OutcomeKind.CANCELLED, OutcomeKind.SUCCESS
    assert ends == {1: success, 2: cancelled, 3: cancelled, 4: cancelled, 5: success}
    assert [began.get(timeout=TIMEOUT), began.empty()] == [5, True]
    inside.close()
    loop.close()
