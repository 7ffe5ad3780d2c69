"""How a container knows that it stood still."""

from __future__ import annotations

from motet.runtime.stalls.standstill import INTERVAL, LATELY, Standstills


class Machine:
    def __init__(self) -> None:
        self.now = self.used = 50.0
        self.clock = Standstills(lambda: self.now, lambda: self.used)

    def passes(self, seconds: float, used: float = 0.0) -> None:
        self.now += seconds
        self.used += used
        self.clock.look()


def test_looks_that_come_in_time_tell_of_nothing() -> None:
    machine = Machine()
    for _ in range(10):
        machine.passes(INTERVAL + 0.1)
    machine.passes(0.2)
    assert machine.clock.stood_still() == 0.0


def test_a_look_that_comes_late_tells_of_a_standstill_for_a_while() -> None:
    machine = Machine()
    machine.passes(30.0)
    machine.passes(0.0)
    assert machine.clock.stood_still() == 30.0
    for _ in range(int(LATELY / INTERVAL) + 1):
        machine.passes(INTERVAL)
    assert machine.clock.stood_still() == 0.0


def test_code_that_ran_and_kept_all_threads_from_looking_was_no_standstill() -> None:
    machine = Machine()
    machine.passes(30.0, used=29.9)
    assert machine.clock.stood_still() == 0.0
    machine.passes(30.0, used=5.0)
    assert machine.clock.stood_still() == 25.0
