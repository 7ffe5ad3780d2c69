from __future__ import annotations

import enum
from typing import Any

import pytest

import motet
from motet.exception import InvalidError
from motet.model.function import ParameterSpec
from motet.sdk.parameters import checked_parameters, encoded_parameters, parameter_specs
from motet.sdk.user_class import instantiate
from motet.wire import payload


class Base:
    model: str = motet.parameter()
    size: int = motet.parameter(default=3)


class Child(Base):
    raw: bytes = motet.parameter(default=b"x")
    fast: bool = motet.parameter(default=False)
    later: float = motet.parameter(init=False)


class Shade(enum.StrEnum):
    RED = "red"


def test_parameters_are_inherited_in_order_of_declaration() -> None:
    assert [(spec.name, spec.type_name, spec.default is None) for spec in parameter_specs(Child)] == [
        ("model", "str", True),
        ("size", "int", False),
        ("raw", "bytes", False),
        ("fast", "bool", False),
    ]


def test_a_child_that_replaces_a_parameter_has_it_no_more() -> None:
    class Replacing(Base):
        size = 5

    assert [spec.name for spec in parameter_specs(Replacing)] == ["model"]


def test_parameters_need_annotations() -> None:
    class Unannotated:
        a = motet.parameter()

    with pytest.raises(InvalidError, match=r"^All motet\.parameter\(\) specifications need to be type-annotated"):
        parameter_specs(Unannotated)


def test_four_types_are_supported() -> None:
    class Wrong:
        a: float = motet.parameter()

    with pytest.raises(InvalidError) as caught:
        parameter_specs(Wrong)
    assert str(caught.value) == (
        "Class parameter 'a': float is not a supported motet.parameter() type. Use one of: int, str, bytes, bool"
    )


def test_annotations_that_are_no_types_are_shown_as_written() -> None:
    class Wrong:
        a: list[int] | None = motet.parameter()

    with pytest.raises(InvalidError, match=r"'a': list\[int\] \| None is not a supported"):
        parameter_specs(Wrong)


@pytest.mark.parametrize(("annotation", "default"), [(int, "3"), (int, True), (str, 3), (bytes, "a"), (bool, 1)])
def test_defaults_have_the_declared_type(annotation: type, default: Any) -> None:
    wrong = type("Wrong", (), {"a": motet.parameter(default=default), "__annotations__": {"a": annotation}})
    with pytest.raises(InvalidError, match=f"'a': its default must be {annotation.__name__}, not "):
        parameter_specs(wrong)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Child() missing the required parameter 'model' (str)"),
        ({"model": "a", "sizes": 1}, "Child() got an unexpected keyword argument 'sizes'"),
        ({"model": "a", "later": 1.0}, "Child() got an unexpected keyword argument 'later'"),
        ({"model": 1}, "Child() parameter 'model' must be str, not int"),
        ({"model": "a", "size": True}, "Child() parameter 'size' must be int, not bool"),
        ({"model": "a", "size": None}, "Child() parameter 'size' must be int, not NoneType"),
        ({"model": "a", "fast": 1}, "Child() parameter 'fast' must be bool, not int"),
    ],
)
def test_wrong_parameters_are_type_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        checked_parameters(parameter_specs(Child), given, "Child")
    assert message in str(caught.value)


def test_an_object_has_its_parameters_and_defaults() -> None:
    instance = instantiate(Child, {"model": "a", "size": 7})
    assert (instance.model, instance.size, instance.raw, instance.fast) == ("a", 7, b"x", False)
    with pytest.raises(AttributeError, match="has no value for its parameter 'later'"):
        _ = instance.later


def test_subclasses_of_the_types_become_plain_values() -> None:
    values = checked_parameters(parameter_specs(Base), {"model": Shade.RED}, "Base")
    assert type(values["model"]) is str
    assert values["model"] == "red"


def test_equal_parameters_have_equal_bytes() -> None:
    specs = tuple(ParameterSpec(name=name, type_name="str") for name in ("a", "b"))
    one = "same value"
    other = "".join(["same ", "value"])
    shared = encoded_parameters(checked_parameters(specs, {"a": one, "b": one}, "C"), "C")
    separate = encoded_parameters(checked_parameters(specs, {"b": other, "a": one}, "C"), "C")
    assert shared == separate
    assert payload.loads(shared, "parameters") == {"a": one, "b": one}


def test_parameters_have_at_most_16_kib() -> None:
    specs = (ParameterSpec(name="a", type_name="bytes"),)
    with pytest.raises(InvalidError, match="they may be 16384 at most"):
        encoded_parameters(checked_parameters(specs, {"a": bytes(17 * 1024)}, "C"), "C")
