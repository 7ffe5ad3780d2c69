"""Values for callers in other languages: which there are, and what is said of others."""

from __future__ import annotations

import datetime
import enum
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import cbor2
import pydantic
import pytest

from motet.errors import DeserializationError, SerializationError
from motet.wire import payload, plain
from motet.wire.encoding import Encoding, encoding_of, marked_arguments, wanted_by

JSON, CBOR = Encoding.JSON, Encoding.CBOR
BOTH = pytest.mark.parametrize("encoding", [JSON, CBOR])


@dataclass
class Point:
    x: Any
    y: Any = 2.5


class Model(pydantic.BaseModel):
    at: datetime.date


class Colour(enum.Enum):
    RED = "red"


@BOTH
@pytest.mark.parametrize(
    ("value", "there"),
    [
        ({"a": [1, None, True, "ä"]}, {"a": [1, None, True, "ä"]}),
        ((1, 2), [1, 2]),
        (Point(1), {"x": 1, "y": 2.5}),
        (Colour.RED, "red"),
        (Decimal("1.10"), "1.10"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00Z"),
        (Model(at=datetime.date(2026, 1, 2)), {"at": "2026-01-02"}),
        (2**70, 2**70),
    ],
)
def test_a_value_comes_back_as_what_other_languages_have_of_it(encoding: Encoding, value: Any, there: Any) -> None:
    assert plain.loads(plain.dumps(value, encoding, "the result"), encoding, "the result") == there


def test_bytes_are_bytes_in_cbor_and_base64_in_json() -> None:
    assert cbor2.loads(plain.dumps({"a": b"\xff"}, CBOR, "it")) == {"a": b"\xff"}
    assert plain.dumps({"a": b"\xff"}, JSON, "it") == b'{"a":"/w=="}'


def test_what_is_no_number_is_null_in_json_alone() -> None:
    assert plain.dumps([math.nan, math.inf], JSON, "it") == b"[null,null]"
    assert cbor2.loads(plain.dumps([math.inf], CBOR, "it")) == [math.inf]


@BOTH
@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (1j, r"the result is of type complex, which"),
        ({"a": [1, {"b": object()}]}, r"the result has at \['a'\]\[1\]\['b'\] a value of type object, which"),
        (Point(1, range(3)), r"the result has at \.y a value of type range"),
        (["\ud800"], r"the result has at \[0\] text with a lone surrogate"),
    ],
)
def test_what_cannot_be_written_is_named_with_its_type_and_place(encoding: Encoding, value: Any, fault: str) -> None:
    with pytest.raises(SerializationError, match=fault) as raised:
        plain.dumps(value, encoding, "the result")
    assert "or call the function from Python, where results are pickled" in str(raised.value)


def test_a_key_that_is_no_text_is_named() -> None:
    with pytest.raises(SerializationError, match="has a dict with a key of type tuple, which JSON has not"):
        plain.dumps({(1, 2): 3}, JSON, "the result")


@BOTH
def test_a_value_that_contains_itself_is_an_error(encoding: Encoding) -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(SerializationError, match="nested too deeply"):
        plain.dumps(value, encoding, "the result")


@pytest.mark.parametrize(
    ("data", "encoding", "fault"),
    [
        (b"[1,", JSON, "cannot be read as JSON: Input data was truncated"),
        (b"[" * 100_000, JSON, "nested too deeply"),
        (b"\x81", CBOR, "cannot be read as CBOR"),
        (b"[1]", JSON, r'must be given as {"args": \[...\], "kwargs": {...}}'),
        (b'{"arg": [1]}', JSON, "unknown field `arg`"),
        (b'{"kwargs": {"a": 1}, "args": {}}', JSON, "Expected `array`"),
        (cbor2.dumps({"kwargs": {1: 1}}), CBOR, "Expected `str`"),
    ],
)
def test_arguments_that_are_none_are_refused_with_what_they_should_be(
    data: bytes, encoding: Encoding, fault: str
) -> None:
    with pytest.raises(DeserializationError, match=fault):
        plain.loads_arguments(data, encoding)


def test_arguments_may_be_left_out() -> None:
    assert plain.loads_arguments(b"", JSON) == ([], {})
    assert plain.loads_arguments(b'{"args": [1]}', JSON) == ([1], {})
    assert plain.loads_arguments(cbor2.dumps({"kwargs": {"a": b"x"}}), CBOR) == ([], {"a": b"x"})


# --- what a payload is in ---------------------------------------------------------------------------------------------


def test_a_payload_says_what_it_is_in_and_what_its_result_is_to_be_in() -> None:
    pickled = payload.dumps(((), {}), "it")
    assert marked_arguments(pickled, Encoding.PICKLE, Encoding.PICKLE) == pickled
    assert (encoding_of(pickled), wanted_by(pickled)) == (Encoding.PICKLE, Encoding.PICKLE)
    for arguments in Encoding:
        for result in Encoding:
            data = marked_arguments(pickled, arguments, result)
            assert (encoding_of(data), wanted_by(data)) == (arguments, result)


@BOTH
def test_a_result_can_be_read_by_python_whatever_it_is_in(encoding: Encoding) -> None:
    data = payload.dumps_in(encoding, {"a": (1, 2)}, "the result")
    assert encoding_of(data) is encoding
    assert payload.loads(data, "the result") == {"a": [1, 2]}


@pytest.mark.parametrize("data", [b"", b"J", b"P", b"x", b"JZ{}"])
def test_bytes_that_are_no_payload_want_no_encoding(data: bytes) -> None:
    assert wanted_by(data) is Encoding.PICKLE
