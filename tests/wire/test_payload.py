"""Payloads: what travels, what does not, and what is said then."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import threading
import types
from typing import Any, Generic, TypeVar

import pydantic
import pytest

from motet.errors import DeserializationError, RequestSizeError, SerializationError
from motet.wire import payload
from motet.wire.by_value import PROTOCOL, ByValue


def test_plain_values_travel_as_plain_pickle() -> None:
    value = (("a", 1), {"b": [None, 2.5]})
    data = payload.dumps(value, "the arguments of f")
    assert data == pickle.dumps(value, PROTOCOL)
    assert payload.loads(data, "the arguments of f") == value
    assert payload.loads(memoryview(data), "the arguments of f") == value


def test_the_empty_arguments_are_what_every_such_call_sends() -> None:
    assert payload.loads(payload.NO_ARGUMENTS, "") == ((), {})


def test_a_lambda_travels_by_value() -> None:
    double = payload.loads(payload.dumps(lambda x: x * 2, "the arguments of f"), "the arguments of f")
    assert double(4) == 8


def test_what_cannot_be_pickled_is_named_with_the_reason() -> None:
    with pytest.raises(SerializationError, match=r"could not pickle the arguments of f: TypeError: .*lock"):
        payload.dumps(threading.Lock(), "the arguments of f")


def test_an_object_whose_pickling_fails_is_named_with_its_own_error() -> None:
    class Stubborn:
        def __reduce__(self) -> str:
            raise ValueError("not me")

    with pytest.raises(SerializationError, match="could not pickle the result of f: ValueError: not me"):
        payload.dumps(Stubborn(), "the result of f")


def test_a_value_nested_too_deeply_is_an_error_and_no_crash() -> None:
    value: list[Any] = []
    for _ in range(200_000):
        value = [value]
    try:
        with pytest.raises(SerializationError, match="the arguments of f"):
            payload.dumps(value, "the arguments of f")
    finally:
        while value:  # a recursive deallocation this deep is slow
            value = value[0]


def test_a_payload_over_the_limit_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MAX_PAYLOAD_BYTES", 2 * 2**20)
    with pytest.raises(RequestSizeError, match=r"the result of f: 3\.0 MiB .* 2 MiB at most"):
        payload.dumps(bytes(3 * 2**20), "the result of f")


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps(1)[:-1]])
def test_bytes_that_do_not_unpickle_are_named(data: bytes) -> None:
    with pytest.raises(DeserializationError, match="could not unpickle the result of f here"):
        payload.loads(data, "the result of f")


def test_a_missing_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("only_over_there")
    exec("class Thing: pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_over_there", module)
    data = payload.dumps(module.Thing(), "the result of f")
    monkeypatch.delitem(sys.modules, "only_over_there")
    with pytest.raises(DeserializationError, match=r"ModuleNotFoundError.*only_over_there"):
        payload.loads(data, "the result of f")


T = TypeVar("T")
S = TypeVar("S")

MAIN = """
import enum
class Colour(enum.Enum):
    RED = 1
class Hidden: pass
def double(x): return 2 * x
look = lambda it: (it is Colour.RED, double(3))
"""


def test_beside_a_lambda_what_the_other_side_has_in_main_is_referred_to(monkeypatch: pytest.MonkeyPatch) -> None:
    main, there = types.ModuleType("__main__"), types.ModuleType("__main__")
    for module in (main, there):
        exec(MAIN, module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    data = payload.dumps((main.look, main.Colour.RED, main.Hidden()), "", ByValue(names=frozenset(["Hidden"])))
    monkeypatch.setitem(sys.modules, "__main__", there)
    del there.Hidden
    look, red, hidden = payload.loads(data, "")
    assert red is there.Colour.RED
    assert look(red) == (True, 6)
    assert type(hidden).__name__ == "Hidden"


def test_a_class_that_comes_back_to_where_it_is_from_keeps_its_members() -> None:
    class Counting:
        count = 0
        lock = None

    data = payload.dumps(Counting(), "")
    Counting.count, method = 5, Counting.__init__
    assert type(payload.loads(data, "")) is Counting
    assert (Counting.count, Counting.__init__) == (5, method)


def test_what_is_missing_in_main_says_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    main = types.ModuleType("__main__")
    exec(MAIN, main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    data = payload.dumps(main.Hidden(), "")
    del main.Hidden
    with pytest.raises(DeserializationError, match=r"Hidden.*Is it defined only under a condition"):
        payload.loads(data, "")


def test_classes_of_a_notebook_travel_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    main = types.ModuleType("__main__")
    exec("class Point:\n    def __init__(self, x): self.x = x\n    def doubled(self): return self.x * 2", main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    by_reference = payload.dumps(main.Point(3), "the arguments of f")
    by_value = payload.dumps(main.Point(3), "the arguments of f", ByValue(frozenset(["__main__"])))
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    assert payload.loads(by_value, "the arguments of f").doubled() == 6
    with pytest.raises(DeserializationError, match="Point"):
        payload.loads(by_reference, "the arguments of f")


class Refused(Exception):
    def __init__(self, *, code: int) -> None:
        self.code = code


@dataclasses.dataclass(frozen=True)
class Rejected(Exception):
    code: int


def test_exceptions_among_values_need_no_constructor_that_takes_their_args() -> None:
    values = [1, Refused(code=5), {"frozen": Rejected(code=6)}, Refused]
    arrived = payload.loads(payload.dumps(values, "the result of f"), "the result of f")
    assert (arrived[0], arrived[1].code, arrived[2]["frozen"].code, arrived[3]) == (1, 5, 6, Refused)


class Item(pydantic.BaseModel):
    x: int = 1


class Page(pydantic.BaseModel, Generic[T]):
    items: list[T]


class Pair(pydantic.BaseModel, Generic[T, S]):
    first: T
    second: S


def test_parametrised_classes_of_pydantic_are_the_same_on_the_other_side() -> None:
    values = (Page[Item](items=[Item()]), Pair[int, Page[Item]](first=1, second=Page[Item](items=[])))
    page, pair = payload.loads(payload.dumps(values, ""), "")
    assert type(page) is Page[Item]
    assert type(pair) is Pair[int, Page[Item]]
    assert (page, pair) == values
