"""`motet.parameter()`: typed values that an object of a class is made with; each set of them has its own containers."""

from __future__ import annotations

import inspect
import io
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

from motet.errors import InvalidError
from motet.model.function import ParameterSpec
from motet.sdk.checks import check_bool, type_name
from motet.wire import payload
from motet.wire.by_value import PROTOCOL

TypeName = Literal["int", "str", "bytes", "bool"]
MAX_PARAMETERS_BYTES = 16 * 1024

_TYPES: dict[TypeName, type] = {"int": int, "str": str, "bytes": bytes, "bool": bool}
# A subclass's instance (a StrEnum member, say) as a plain value, which every container can read.
_PLAIN: dict[TypeName, Callable[[Any], Any]] = {"int": int, "str": str.__str__, "bytes": bytes, "bool": bool}


class NoDefault:
    """Stands for a parameter without a default. The class itself is used, since it survives pickling."""


class Parameter:
    """A class's field as `motet.parameter()` leaves it. Objects made by Motet have the value in its place."""

    def __init__(self, default: Any, init: bool) -> None:
        self.default = default
        self.init = init
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if self.default is NoDefault:
            raise AttributeError(f"{owner.__name__!r} object has no value for its parameter {self.name!r}")
        return self.default


def parameter(*, default: Any = NoDefault, init: bool = True) -> Any:
    """A field that is given when an object of the class is made: `name: str = motet.parameter(default="a")`.

    Its annotation is int, str, bytes or bool. `init=False`: not given but set by the class's own code.
    """
    return Parameter(default, check_bool("init", init))


def parameter_specs(user_cls: type) -> tuple[ParameterSpec, ...]:
    """The parameters of a class and its parents, in order of declaration. Raises `InvalidError` for wrong ones."""
    fields: dict[str, tuple[type, Parameter]] = {}
    for base in reversed(user_cls.__mro__):
        for name, value in vars(base).items():
            fields.pop(name, None) if not isinstance(value, Parameter) else fields.update({name: (base, value)})
    return tuple(_spec(name, base, field) for name, (base, field) in fields.items() if field.init)


def _spec(name: str, owner: type, field: Parameter) -> ParameterSpec:
    annotations = inspect.get_annotations(owner)
    if name not in annotations:
        raise InvalidError(
            f"All motet.parameter() specifications need to be type-annotated; {owner.__name__}.{name} is not"
        )
    declared = _type_name(annotations[name], owner)
    for known in _TYPES:
        if known == declared:
            default = None if field.default is NoDefault else _encoded_default(name, known, field.default)
            return ParameterSpec(name=name, type_name=known, default=default)
    raise InvalidError(
        f"Class parameter '{name}': {declared} is not a supported motet.parameter() type. "
        f"Use one of: {', '.join(_TYPES)}"
    )


def _type_name(annotation: Any, owner: type) -> str:
    if isinstance(annotation, str):
        # Only a plain name can mean one of the four types; anything else is reported as it was written.
        namespace = vars(sys.modules.get(owner.__module__, type(owner)))
        annotation = namespace.get(annotation, _TYPES.get(annotation, annotation))  # type: ignore[call-overload]
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _encoded_default(name: str, declared: TypeName, default: Any) -> bytes:
    if not _is_a(default, declared):
        raise InvalidError(f"Class parameter '{name}': its default must be {declared}, not {type_name(default)}")
    return payload.dumps(_PLAIN[declared](default), f"the default of parameter {name!r}")


def _is_a(value: Any, declared: TypeName) -> bool:
    return isinstance(value, _TYPES[declared]) and not (declared == "int" and isinstance(value, bool))


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
            values[spec.name] = payload.loads(spec.default, f"the default of parameter {spec.name!r}")
        else:
            raise TypeError(f"{class_name}() missing the required parameter {spec.name!r} ({spec.type_name})")
    return values


def _checked_value(spec: ParameterSpec, value: Any, class_name: str) -> Any:
    if not _is_a(value, spec.type_name):
        raise TypeError(f"{class_name}() parameter {spec.name!r} must be {spec.type_name}, not {type_name(value)}")
    return _PLAIN[spec.type_name](value)


def encoded_parameters(values: Mapping[str, Any], class_name: str) -> bytes:
    """What `checked_parameters` gave, pickled: equal values give equal bytes. Raises `InvalidError` over 16 KiB."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, PROTOCOL)
    # With a memo, equal strings that happen to be one object pickle differently from ones that are two.
    pickler.fast = True
    pickler.dump(dict(values))
    data = buffer.getvalue()
    if len(data) > MAX_PARAMETERS_BYTES:
        raise InvalidError(
            f"the parameters of {class_name} are {len(data)} bytes; they may be {MAX_PARAMETERS_BYTES} at most. "
            "Pass large values as arguments of the methods."
        )
    return data
