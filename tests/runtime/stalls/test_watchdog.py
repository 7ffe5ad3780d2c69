"""The watchdog's threshold, and that it sleeps while there are no inputs."""

from __future__ import annotations

import threading

import pytest

from motet.errors import InvalidError
from motet.runtime.stalls.watchdog import BLOCKED_AFTER, Watchdog, blocked_after

PATIENCE = 20.0


@pytest.mark.parametrize(("text", "seconds"), [(None, BLOCKED_AFTER), ("", BLOCKED_AFTER), ("1.5", 1.5), ("0", 0.0)])
def test_threshold_comes_from_the_environment(text: str | None, seconds: float) -> None:
    assert blocked_after({} if text is None else {"MOTET_BLOCKED_AFTER": text}) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_threshold_that_is_no_number_of_seconds_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match=f"MOTET_BLOCKED_AFTER is '{text}'"):
        blocked_after({"MOTET_BLOCKED_AFTER": text})


class Inputs:
    """How many there are, and how often that was asked."""

    def __init__(self) -> None:
        self.held = 0
        self.asked = threading.Semaphore(0)

    def __call__(self) -> int:
        self.asked.release()
        return self.held

    def wait_asked(self, times: int) -> bool:
        return all(self.asked.acquire(timeout=PATIENCE) for _ in range(times))


def test_it_looks_while_there_are_inputs_and_sleeps_when_there_are_none() -> None:
    inputs = Inputs()
    watchdog = Watchdog("f", None, inputs, BLOCKED_AFTER)
    assert inputs.wait_asked(1), "before it sleeps"
    for _ in range(2):
        inputs.held = 1
        watchdog.wake()
        assert not watchdog.asleep
        assert inputs.wait_asked(40), "longer than it looks without inputs"
        inputs.held = 0
        while not watchdog.asleep:
            assert inputs.wait_asked(1)
        assert any(not inputs.asked.acquire(timeout=0.5) for _ in range(100)), "it looks no more"
