"""The attempts a container holds."""

from __future__ import annotations

import sys
import threading

import pytest

from motet.errors import InternalError
from motet.runtime.slots import Slots


def test_a_container_holds_no_more_than_max_inputs() -> None:
    slots = Slots(2)
    slots.take(1)
    slots.take(2)
    with pytest.raises(InternalError, match="max_inputs=2"):
        slots.take(3)
    slots.release(1)
    slots.take(3)
    assert len(slots) == 2


def test_a_cancellation_counts_once_and_only_for_what_is_here() -> None:
    slots = Slots(2)
    slots.take(1)
    assert [slots.cancel(1), slots.cancel(1), slots.cancel(2)] == [True, False, False]
    assert slots.cancelled(1)
    slots.release(1)
    slots.release(1)
    assert not slots.cancelled(1)
    assert not slots.cancel(1)


def test_a_cancellation_that_comes_before_its_attempt_ends_that_one_when_it_comes() -> None:
    slots = Slots(2)
    assert not slots.take(1)
    assert [slots.cancel(3), slots.cancel(3)] == [False, False]
    assert not slots.take(2)
    slots.release(1)
    assert slots.take(3)
    assert slots.cancelled(3)
    assert not slots.cancel(3)


def test_a_cancellation_of_an_attempt_that_has_ended_is_not_kept_for_another() -> None:
    slots = Slots(1)
    slots.take(5)
    slots.release(5)
    assert not slots.cancel(5)
    assert not slots.take(6)
    assert not slots.cancelled(6)


def test_an_attempt_and_its_cancellation_that_come_at_the_same_moment_find_each_other_exactly_once() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    slots = Slots(1)
    told: list[bool] = []
    meet = threading.Barrier(2)

    def cancel_all() -> None:
        for number in range(1, 2001):
            meet.wait()
            told.append(slots.cancel(number))

    other = threading.Thread(target=cancel_all)
    other.start()
    try:
        early = []
        for number in range(1, 2001):
            meet.wait()
            early.append(slots.take(number))
            while len(told) < number:
                pass
            assert slots.cancelled(number)
            slots.release(number)
        assert [a + b for a, b in zip(told, early, strict=True)] == [1] * 2000
    finally:
        sys.setswitchinterval(interval)
        other.join()
