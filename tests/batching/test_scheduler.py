"""Who joins the next batch: tables for the rule, and random walks for its promises."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from motet.batching import BatchLimits, BatchScheduler, MemberPlace
from motet.errors import InvalidError


def scheduler(**limits: Any) -> BatchScheduler[Any]:
    return BatchScheduler(BatchLimits(**{"max_batch_size": 4, **limits}))


def added(made: BatchScheduler[Any], *weights: int) -> BatchScheduler[Any]:
    """Inputs 0, 1, 2 ... of these weights."""
    for key, weight in enumerate(weights):
        made.add(key, weight)
    return made


@pytest.mark.parametrize(
    ("limits", "weights", "batch"),
    [
        ({}, [1, 1], [0, 1]),
        ({}, [1] * 6, [0, 1, 2, 3]),
        ({"budget": 10}, [4, 6, 1], [0, 1]),
        ({"budget": 10}, [4, 7, 6], [0, 2]),
        ({"budget": 10, "max_overtakes": 0}, [4, 7, 6], [0]),
        ({"budget": 10, "max_overtakes": 1}, [4, 7, 1, 1], [0, 2]),
        ({"budget": 10, "max_overtakes": 2}, [4, 7, 1, 1, 1], [0, 2, 3]),
        ({"max_admissions": 2}, [1, 1, 1], [0, 1]),
        ({"budget": 3}, [], []),
    ],
)
def test_first_batch_is(limits: dict[str, Any], weights: list[int], batch: list[int]) -> None:
    assert list(added(scheduler(**limits), *weights).step()) == batch


def test_inputs_stay_in_the_batch_in_the_order_they_joined() -> None:
    made = added(scheduler(), 1, 1)
    made.step()
    made.add("late")
    made.finish(0)
    assert list(made.step()) == [1, "late"]


def test_large_input_runs_after_it_was_overtaken_as_often_as_allowed() -> None:
    made = added(scheduler(budget=10, max_overtakes=2), 6)
    made.step()
    made.add("large", 10)
    for small in range(100, 110):
        made.add(small, 1)
    assert list(made.step()) == [0, 100, 101]
    made.finish(0)
    assert list(made.step()) == [100, 101]
    made.finish(100)
    made.finish(101)
    assert list(made.step()) == ["large"]


def test_one_that_leaves_frees_its_slot_and_weight_at_once() -> None:
    made = added(scheduler(budget=10), 10, 10)
    assert made.step() == {0: MemberPlace(0, 10)}
    assert made.cancel(0)
    assert made.used == 0
    assert made.step() == {1: MemberPlace(0, 10)}
    assert not made.cancel(0)


def test_waiting_input_can_be_cancelled() -> None:
    made = added(scheduler(max_batch_size=1), 1, 1)
    made.step()
    assert made.cancel(1)
    assert 1 not in made
    made.finish(0)
    assert made.step() == {}


def test_cancelling_a_large_one_lets_those_behind_it_join() -> None:
    made = added(scheduler(budget=10, max_overtakes=0), 5, 8, 5)
    assert list(made.step()) == [0]
    made.cancel(1)
    assert list(made.step()) == [0, 2]


def test_lowest_free_slot_is_given_first() -> None:
    made = added(scheduler(), 1, 1, 1)
    made.step()
    made.finish(1)
    made.finish(0)
    made.add("new")
    assert made.step()["new"] == MemberPlace(0, 1)


def test_no_more_than_max_admissions_join_in_one_step() -> None:
    made = added(scheduler(max_admissions=1), 1, 1, 1)
    assert [len(made.step()) for _ in range(4)] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_batch_size": 0}, "`max_batch_size` must be an integer of at least 1, got 0"),
        ({"budget": 0}, "`budget` must be an integer of at least 1, got 0"),
        ({"budget": 1.5}, "`budget` must be an integer of at least 1, got 1.5"),
        ({"max_admissions": True}, "`max_admissions` must be an integer of at least 1, got True"),
        ({"max_overtakes": -1}, "`max_overtakes` must be an integer of at least 0, got -1"),
        ({"max_overtakes": None}, "`max_overtakes` must be an integer of at least 0, got None"),
    ],
)
def test_limit_that_cannot_work_is_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        scheduler(**limits)


def test_input_that_never_fits_is_refused() -> None:
    with pytest.raises(InvalidError, match="weight 11 never fits into the budget of 10"):
        scheduler(budget=10).add("large", 11)
    with pytest.raises(InvalidError, match="`weight` must be an integer of at least 1, got 0"):
        scheduler().add("nothing", 0)


def test_key_that_is_here_is_refused() -> None:
    made = added(scheduler(), 1)
    with pytest.raises(InvalidError, match="0 is in the scheduler already"):
        made.add(0)
    made.step()
    with pytest.raises(InvalidError, match="0 is in the scheduler already"):
        made.add(0)


def test_finishing_one_that_is_not_in_the_batch_is_an_error_and_changes_nothing() -> None:
    made = added(scheduler(), 1)
    with pytest.raises(KeyError):
        made.finish(0)
    assert list(made.step()) == [0]


def test_repr_shows_how_it_stands() -> None:
    made = added(scheduler(budget=9, max_batch_size=1), 4, 5)
    made.step()
    assert repr(made) == "<BatchScheduler: 1 running (weight 4 of 9), 1 waiting>"


class SchedulerWalk(RuleBasedStateMachine):
    """Anything in any order. Counted beside it, by the rule alone: who waits, and how often each was overtaken."""

    @initialize(
        size=st.integers(1, 5),
        budget=st.none() | st.integers(1, 20),
        admissions=st.none() | st.integers(1, 3),
        overtakes=st.integers(0, 4),
    )
    def build(self, size: int, budget: int | None, admissions: int | None, overtakes: int) -> None:
        self.limits = BatchLimits(
            max_batch_size=size, budget=budget, max_admissions=admissions, max_overtakes=overtakes
        )
        self.made: BatchScheduler[int] = BatchScheduler(self.limits)
        self.waiting: dict[int, int] = {}
        self.overtaken: dict[int, int] = {}
        self.running: dict[int, MemberPlace] = {}
        self.next = 0

    @rule(weight=st.integers(1, 20))
    def add(self, weight: int) -> None:
        if self.limits.budget is None or weight <= self.limits.budget:
            self.made.add(self.next, weight)
            self.waiting[self.next] = weight
            self.overtaken[self.next] = 0
            self.next += 1

    @rule()
    def step(self) -> None:
        batch = self.made.step()
        joined = [key for key in batch if key not in self.running]
        assert joined == sorted(joined)
        assert {key: place for key, place in batch.items() if key in self.running} == self.running
        assert self.limits.max_admissions is None or len(joined) <= self.limits.max_admissions
        for key in joined:
            assert batch[key].weight == self.waiting.pop(key)
            for earlier in self.waiting:
                self.overtaken[earlier] += earlier < key
        self.running = batch
        assert batch or not self.waiting

    @rule(pick=st.integers(0, 10**6))
    def finish(self, pick: int) -> None:
        if self.running:
            key = list(self.running)[pick % len(self.running)]
            self.made.finish(key)
            del self.running[key]

    @rule(pick=st.integers(0, 10**6))
    def cancel(self, pick: int) -> None:
        here = [*self.running, *self.waiting]
        if here:
            key = here[pick % len(here)]
            assert self.made.cancel(key)
            self.running.pop(key, None)
            self.waiting.pop(key, None)
            assert key not in self.made

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "made"):
            return
        self.made.check()
        assert (self.made.waiting, self.made.running) == (len(self.waiting), len(self.running))
        assert self.made.used == sum(place.weight for place in self.running.values())
        assert all(self.overtaken[key] <= self.limits.max_overtakes for key in self.waiting)

    def teardown(self) -> None:
        """If those in the batch end, everybody else has their turn."""
        if hasattr(self, "made"):
            for _ in range(len(self.waiting) + len(self.running) + 1):
                self.step()
                for key in list(self.running):
                    self.made.finish(key)
                    del self.running[key]
            assert not self.waiting


TestSchedulerWalk = SchedulerWalk.TestCase
