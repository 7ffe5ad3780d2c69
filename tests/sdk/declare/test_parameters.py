from __future__ import annotations

import enum
import pickle
from typing import Any

import msgspec
import pytest

import motet
from motet.exception import InvalidError
from motet.model.parameters import ParameterSpec
from motet.sdk.declare.parameters import parameter_specs
from motet.sdk.declare.user_class import instantiate
from motet.wire.parameters import checked_parameters, decoded_parameters, encoded_parameters


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
    assert decoded_parameters(shared) == {"a": one, "b": one}


def test_parameters_have_at_most_16_kib() -> None:
    specs = (ParameterSpec(name="a", type_name="bytes"),)
    with pytest.raises(InvalidError, match="they may be 16384 at most"):
        encoded_parameters(checked_parameters(specs, {"a": bytes(17 * 1024)}, "C"), "C")


@pytest.mark.parametrize(
    "value", [2**63, 2**64, -(2**63), -(2**63) - 1, 10**400], ids=["2**63", "2**64", "-2**63", "-2**63-1", "10**400"]
)
def test_an_int_is_of_64_bits_or_refused_where_the_object_is_made(value: int) -> None:
    specs = (ParameterSpec(name="a", type_name="int"),)
    values = checked_parameters(specs, {"a": value}, "C")
    if -(2**63) <= value < 2**64:
        assert decoded_parameters(encoded_parameters(values, "C")) == {"a": value}
    else:
        with pytest.raises(InvalidError, match="parameter 'a' of C does not fit into 64 bits"):
            encoded_parameters(values, "C")


def test_text_that_is_none_is_refused_where_the_object_is_made() -> None:
    specs = (ParameterSpec(name="a", type_name="str"),)
    with pytest.raises(InvalidError, match=r"parameter 'a' of C is no text .*fsencode"):
        encoded_parameters(checked_parameters(specs, {"a": "file-\udcff"}, "C"), "C")

    class Wrong:
        a: str = motet.parameter(default="file-\udcff")

    with pytest.raises(InvalidError, match=r"'a': its default is no text"):
        parameter_specs(Wrong)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", pickle.dumps(1), pickle.dumps({"a": 1}), msgspec.msgpack.encode("3"), msgspec.msgpack.encode(True)],
)
def test_a_default_that_is_no_value_of_its_type_is_refused_and_never_unpickled(data: bytes) -> None:
    specs = (ParameterSpec(name="a", type_name="int", default=data),)
    with pytest.raises(InvalidError, match="the default of parameter 'a'"):
        checked_parameters(specs, {}, "C")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pickle.dumps({"a": 1}),
        msgspec.msgpack.encode({"a": [1]}),
        msgspec.msgpack.encode({"a": None}),
        msgspec.msgpack.encode({"a": bytes(20_000)}),
        msgspec.msgpack.encode({1: 1}),
        b"\x91" * 5_000 + b"\x01",
    ],
)
def test_bytes_that_are_no_parameters_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidError, match="the parameters of an object"):
        decoded_parameters(data)
