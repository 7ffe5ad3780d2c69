"""Values of class parameters: checked, and as bytes (MessagePack) that every side can read without running anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from motet.errors import InvalidError
from motet.model.parameters import ParameterSpec, TypeName

MAX_PARAMETERS_BYTES = 16 * 1024

TYPES: dict[TypeName, type] = {"int": int, "str": str, "bytes": bytes, "bool": bool}
# A subclass's instance (a StrEnum member, say) as a plain value, which every container can read.
_PLAIN: dict[TypeName, Callable[[Any], Any]] = {"int": int, "str": str.__str__, "bytes": bytes, "bool": bool}

_encode = msgspec.msgpack.Encoder().encode
_decode_value = msgspec.msgpack.Decoder().decode
_decode_values = msgspec.msgpack.Decoder(dict[str, Any]).decode


def decoded_value(spec: ParameterSpec, data: bytes) -> Any:
    """The value that `encoded_value` gave. Raises `InvalidError` if it is none, or not of the parameter's type."""
    try:
        value = _decode_value(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"the default of parameter {spec.name!r} cannot be read: {error}") from None
    if not is_a(value, spec.type_name):
        raise InvalidError(f"the default of parameter {spec.name!r} is not {spec.type_name}")
    return value


def encoded_value(value: Any, declared: TypeName, what: str) -> bytes:
    """A value of this type as bytes. Raises `InvalidError` for one that cannot travel; `what` names it there."""
    return _encoded(_PLAIN[declared](value), what)


def is_a(value: Any, declared: TypeName) -> bool:
    """Whether a value is of the type. A bool is not an int here."""
    return isinstance(value, TYPES[declared]) and not (declared == "int" and isinstance(value, bool))


def checked_parameters(specs: tuple[ParameterSpec, ...], given: Mapping[str, Any], class_name: str) -> dict[str, Any]:
    """All parameters of an object, defaults included, in order of declaration. Raises `TypeError` as a call would, for
    missing, unknown and mistyped ones."""
    for name in given:
        if name not in {spec.name for spec in specs}:
            known = ", ".join(spec.name for spec in specs) or "none"
            raise TypeError(f"{class_name}() got an unexpected keyword argument {name!r} (its parameters: {known})")
    values: dict[str, Any] = {}
    for spec in specs:
        if spec.name in given:
            values[spec.name] = _checked_value(spec, given[spec.name], class_name)
        elif spec.default is not None:
            values[spec.name] = decoded_value(spec, spec.default)
        else:
            raise TypeError(f"{class_name}() missing the required parameter {spec.name!r} ({spec.type_name})")
    return values


def _checked_value(spec: ParameterSpec, value: Any, class_name: str) -> Any:
    if not is_a(value, spec.type_name):
        raise TypeError(f"{class_name}() parameter {spec.name!r} must be {spec.type_name}, not {type(value).__name__}")
    return _PLAIN[spec.type_name](value)


def encoded_parameters(values: Mapping[str, Any], class_name: str) -> bytes:
    """What `checked_parameters` gave, as bytes: equal values give equal bytes.

    Raises `InvalidError` over 16 KiB, and for a value that cannot travel.
    """
    for name, value in values.items():
        _encoded(value, f"parameter {name!r} of {class_name}")
    data = _encode(dict(values))
    if len(data) > MAX_PARAMETERS_BYTES:
        raise InvalidError(
            f"the parameters of {class_name} are {len(data)} bytes; they may be {MAX_PARAMETERS_BYTES} at most. "
            "Pass large values as arguments of the methods."
        )
    return data


def decoded_parameters(data: bytes) -> dict[str, Any]:
    """The values that `encoded_parameters` gave. Raises `InvalidError` for bytes that it cannot have given."""
    try:
        values = _decode_values(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"the parameters of an object cannot be read: {error}") from None
    if len(data) > MAX_PARAMETERS_BYTES or not all(type(value) in TYPES.values() for value in values.values()):
        raise InvalidError(
            f"the parameters of an object are {', '.join(TYPES)}, of {MAX_PARAMETERS_BYTES} bytes at most"
        )
    return values


def _encoded(value: Any, what: str) -> bytes:
    try:
        return _encode(value)
    except OverflowError:
        raise InvalidError(f"{what} does not fit into 64 bits; pass it as str") from None
    except UnicodeEncodeError as error:
        raise InvalidError(
            f"{what} is no text ({error.reason}); pass it as bytes (`os.fsencode` for file names)"
        ) from None
