"""The checker of histories of keys finds what cannot have happened, and lets pass what can."""

from __future__ import annotations

import random

import pytest

from motet.testing.registers import KeyOperation, Kind, Value, impossible_keys, may_have_happened


def did(kind: Kind, value: Value, answer: Value, began: float, ended: float | None) -> KeyOperation:
    return KeyOperation("k", kind, value, answer, began, ended)


@pytest.mark.parametrize(
    ("history", "possible"),
    [
        ([], True),
        ([did("get", None, None, 0, 1)], True),
        ([did("get", None, 1, 0, 1)], False),
        ([did("put", 1, None, 0, 1), did("get", None, 1, 2, 3)], True),
        ([did("put", 1, None, 0, 1), did("get", None, None, 2, 3)], False),  # a lost write
        ([did("put", 1, None, 0, 5), did("get", None, None, 2, 3)], True),  # it had not happened yet
        ([did("put", 1, None, 0, 5), did("get", None, 1, 1, 2), did("get", None, None, 3, 4)], False),  # a stale read
        ([did("put", 1, None, 0, None), did("get", None, 1, 8, 9)], True),  # its answer was lost
        ([did("put", 1, None, 0, None), did("get", None, None, 8, 9)], True),
        ([did("put", 1, None, 0, None), did("get", None, 1, 1, 2), did("get", None, None, 3, 4)], False),
        ([did("put", 1, None, 5, None), did("get", None, 1, 1, 2)], False),  # read before it was written
        ([did("put if absent", 1, 1, 0, 4), did("put if absent", 2, 1, 1, 3)], False),  # two winners
        ([did("put if absent", 1, 1, 0, 4), did("put if absent", 2, 0, 1, 3)], True),
        ([did("put", 1, None, 0, 1), did("pop", None, 1, 2, 5), did("pop", None, 1, 3, 4)], False),  # taken twice
        ([did("put", 1, None, 0, 1), did("pop", None, 1, 2, 5), did("pop", None, None, 3, 4)], True),
    ],
)
def test_a_history_may_have_happened_or_not(history: list[KeyOperation], possible: bool) -> None:
    assert may_have_happened(history) is possible
    assert impossible_keys(history) == ([] if possible else ["k"])


def test_what_did_happen_in_some_order_may_have_happened() -> None:
    dice = random.Random(7)
    for _ in range(200):
        state: Value = None
        history: list[KeyOperation] = []
        for moment in range(12):
            kind: Kind = dice.choice(["put", "put if absent", "get", "pop"])
            answer, after = {
                "put": (None, moment),
                "put if absent": (int(state is None), moment if state is None else state),
                "get": (state, state),
                "pop": (state, None),
            }[kind]
            is_lost = dice.random() < 0.2
            if not is_lost or dice.random() < 0.5:
                state = after
            began = moment - dice.random() * 3
            history.append(did(kind, moment, answer, began, None if is_lost else moment + dice.random() * 3))
        assert may_have_happened(history)
