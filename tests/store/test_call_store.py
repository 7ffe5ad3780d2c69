"""What every store of call records keeps (so far there is one)."""

from __future__ import annotations

import pytest

from motet.errors import NotFoundError, OutputExpiredError
from motet.model.outcome import InputEnd, OutcomeKind
from motet.store.base import CallStore
from motet.store.memory import MemoryCallStore


@pytest.fixture
def store() -> CallStore:
    return MemoryCallStore()


def ended(index: int, payload: bytes = b"x") -> InputEnd:
    return InputEnd(index, OutcomeKind.SUCCESS, payload)


def test_outcomes_come_from_the_asked_input_up_to_the_first_gap(store: CallStore) -> None:
    store.add_inputs("ap-1", "fu-1", "fc-1", 5)
    store.save_outcomes("fc-1", [ended(3), ended(0)])
    store.save_outcomes("fc-1", [ended(1)])
    assert [it.index for it in store.outcomes("fc-1", 0, 100)] == [0, 1]
    assert [it.index for it in store.outcomes("fc-1", 1, 100)] == [1]
    assert store.outcomes("fc-1", 2, 100) == []
    assert [it.index for it in store.outcomes("fc-1", 3, 100)] == [3]
    assert [it.index for it in store.outcomes("fc-1", 0, 1)] == [0]


def test_inputs_add_up(store: CallStore) -> None:
    store.add_inputs("ap-1", "fu-1", "fc-1", 2)
    store.add_inputs("ap-1", "fu-1", "fc-1", 3)
    assert store.num_inputs("fc-1") == (5, "fu-1")


def test_the_first_outcome_of_an_input_counts(store: CallStore) -> None:
    store.add_inputs("ap-1", "fu-1", "fc-1", 1)
    store.save_outcomes("fc-1", [ended(0, b"first")])
    store.save_outcomes("fc-1", [ended(0, b"second")])
    assert store.outcomes("fc-1", 0, 1)[0].payload == b"first"


def test_outcomes_of_a_call_that_is_not_kept_are_ignored(store: CallStore) -> None:
    store.save_outcomes("fc-unknown", [ended(0)])
    with pytest.raises(NotFoundError, match="fc-unknown"):
        store.outcomes("fc-unknown", 0, 1)
    with pytest.raises(NotFoundError, match="fc-unknown"):
        store.num_inputs("fc-unknown")


@pytest.mark.parametrize("index", [-1, 2])
def test_an_input_the_call_does_not_have_is_not_found(store: CallStore, index: int) -> None:
    store.add_inputs("ap-1", "fu-1", "fc-1", 2)
    with pytest.raises(NotFoundError, match=f"no input {index}"):
        store.outcomes("fc-1", index, 1)


def test_forgetting_an_app_drops_its_calls_and_no_others(store: CallStore) -> None:
    store.add_inputs("ap-1", "fu-1", "fc-1", 1)
    store.add_inputs("ap-2", "fu-2", "fc-2", 1)
    assert store.forget_app("ap-1") == ["fc-1"]
    assert store.forget_app("ap-1") == []
    assert store.num_inputs("fc-2") == (1, "fu-2")
    with pytest.raises(NotFoundError):
        store.num_inputs("fc-1")


def test_the_oldest_outcomes_go_when_all_take_too_much_and_whoever_asks_is_told() -> None:
    store = MemoryCallStore(most_bytes=1000)
    store.add_inputs("ap-1", "fu-1", "fc-1", 2)
    store.add_inputs("ap-1", "fu-1", "fc-2", 2)
    store.save_outcomes("fc-1", [ended(0, bytes(300)), ended(1)])
    store.save_outcomes("fc-2", [ended(0, bytes(250))])
    with pytest.raises(OutputExpiredError, match=r"the result of input 0 of fc-1 is gone: .* the oldest first"):
        store.outcomes("fc-1", 0, 1)
    assert [it.index for it in store.outcomes("fc-1", 1, 100)] == [1]
    store.save_outcomes("fc-2", [ended(1, bytes(5000))])
    assert store.outcomes("fc-2", 1, 1)[0].payload == bytes(5000), "the newest is kept in any case"
    with pytest.raises(NotFoundError, match="fc-1"):
        store.outcomes("fc-1", 0, 1)
    assert len(store._kept) == 1


def test_what_a_forgotten_app_took_is_there_for_others() -> None:
    store = MemoryCallStore(most_bytes=1000)
    for number in range(100):
        store.add_inputs(f"ap-{number}", "fu-1", f"fc-{number}", 2)
        store.save_outcomes(f"fc-{number}", [ended(0, bytes(150)), ended(0), ended(1, bytes(150))])
        assert [it.index for it in store.outcomes(f"fc-{number}", 0, 2)] == [0, 1]
        store.forget_app(f"ap-{number}")
    assert (store._bytes, len(store._kept), store._records) == (0, 0, {})
