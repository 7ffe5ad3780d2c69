"""What functions take, as schemas, and arguments made to fit."""

from __future__ import annotations

import datetime
import functools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pydantic
import pytest

from motet.errors import ArgumentError
from motet.wire.signature import Signature

if TYPE_CHECKING:
    from nowhere import Unknown


@dataclass
class Point:
    x: int
    y: float = 0.0


class Model(pydantic.BaseModel):
    a: int


def order(item: str, point: Point, when: datetime.datetime, count: int = 1, note: str = None) -> list[Point]:  # type: ignore[assignment]  # noqa: RUF013
    """Order it.

    At once.

    Args:
        item: what is
            wanted
        count (int): how many

    Returns:
        where
    """
    raise NotImplementedError


def test_a_schema_has_types_defaults_and_what_the_docstring_says() -> None:
    signature = Signature(order)
    assert signature.description == "Order it.\n\nAt once."
    schema = signature.parameters()
    assert schema["properties"] == {
        "item": {"type": "string", "description": "what is wanted"},
        "point": {"$ref": "#/$defs/Point"},
        "when": {"type": "string", "format": "date-time"}
        if "format" in schema["properties"]["when"]
        else {"type": "string"},
        "count": {"type": "integer", "default": 1, "description": "how many"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    }
    assert schema["required"] == ["item", "point", "when"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Point"]["properties"]["x"] == {"type": "integer"}
    assert signature.result() == {"type": "array", "items": {"$ref": "#/$defs/Point"}, "$defs": schema["$defs"]}


def test_arguments_become_what_the_annotations_say() -> None:
    args, kwargs = Signature(order).fitted(["pen", {"x": 1}, "2026-01-02T03:04:05Z"], {"note": None})
    assert args == ("pen", Point(1), datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC))
    assert kwargs == {"note": None}


@pytest.mark.parametrize(
    ("args", "kwargs", "fault"),
    [
        ([], {}, r"order\(\) missing a required argument: 'item' \(its parameters: \(item"),
        (["pen", {"x": 1}, "2026-01-02T03:04:05Z", 1, "n", 6], {}, r"order\(\) too many positional arguments"),
        (["pen"], {"colour": "red"}, "missing a required argument: 'point'"),
        ([1, {"x": 1}, "2026-01-02T03:04:05Z"], {}, r"order\(\) argument 'item': Expected `str`, got `int`"),
        (["pen", {"x": "1"}, "2026-01-02T03:04:05Z"], {}, r"argument 'point': Expected `int`, got `str` - at `\$\.x`"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args: list[Any], kwargs: dict[str, Any], fault: str) -> None:
    with pytest.raises(ArgumentError, match=fault):
        Signature(order).fitted(args, kwargs)


def test_models_of_pydantic_and_what_says_nothing() -> None:
    def f(models: list[Model], anything, *rest: int, way: Literal["a", "b"] = "a", **more: float) -> Any:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    schema = Signature(f).parameters()
    assert schema["properties"]["models"] == {"type": "array", "items": {"$ref": "#/$defs/Model"}}
    assert (schema["properties"]["anything"], "additionalProperties" in schema) == ({}, False)
    args, kwargs = Signature(f).fitted([[{"a": 1}], object, 2], {"way": "b", "z": 1})
    assert (args, kwargs) == (([Model(a=1)], object, 2), {"way": "b", "z": 1.0})
    with pytest.raises(ArgumentError, match="argument 'way'"):
        Signature(f).fitted([[], 1], {"way": "c"})


def test_annotations_that_cannot_be_resolved_leave_values_alone() -> None:
    def f(a: Unknown, b: int) -> None:
        raise NotImplementedError

    assert Signature(f).fitted([1, "2"], {}) == ((1, "2"), {})
    assert Signature(f).parameters()["properties"] == {"a": {}, "b": {}}


def test_methods_lack_self_and_positional_parameters_may_be_named() -> None:
    class C:
        def m(self, a: int, /, b: bytes = b"") -> Iterator[str]:
            """:param a: the first"""
            raise NotImplementedError

        async def items(self) -> AsyncIterator[int]:
            yield 1

    signature = Signature(functools.partial(C.m, C()))
    assert signature.parameters()["properties"]["a"] == {"type": "integer", "description": "the first"}
    assert signature.result() == {"type": "string"}
    assert signature.fitted([], {"a": 1, "b": "eA=="}) == ((1, b"x"), {})
    assert signature.fitted([], {"a": 1, "b": b"x"}, has_bytes=True) == ((1, b"x"), {})
    assert Signature(functools.partial(C.items, C())).result() == {"type": "integer"}


def test_a_batched_function_takes_of_each_caller_an_element() -> None:
    def f(x: list[Point], y: list[int]) -> list[str]:
        raise NotImplementedError

    signature = Signature(f, batched=True)
    assert signature.parameters()["properties"]["y"] == {"type": "integer"}
    assert signature.result() == {"type": "string"}
    assert signature.fitted([{"x": 1}, 2], {}) == ((Point(1), 2), {})
