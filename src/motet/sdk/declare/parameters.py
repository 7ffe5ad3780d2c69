"""`motet.parameter()`: typed values that an object of a class is made with; each set of them has its own containers."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from motet.errors import InvalidError
from motet.model.parameters import ParameterSpec, TypeName
from motet.sdk.options.checks import check_bool, type_name
from motet.wire.parameters import TYPES, encoded_value, is_a


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
    for known in TYPES:
        if known == declared:
            default = None if field.default is NoDefault else _encoded_default(name, known, field.default)
            return ParameterSpec(name=name, type_name=known, default=default)
    raise InvalidError(
        f"Class parameter '{name}': {declared} is not a supported motet.parameter() type. "
        f"Use one of: {', '.join(TYPES)}"
    )


def _type_name(annotation: Any, owner: type) -> str:
    if isinstance(annotation, str):
        # Only a plain name can mean one of the four types; anything else is reported as it was written.
        namespace = vars(sys.modules.get(owner.__module__, type(owner)))
        annotation = namespace.get(annotation, TYPES.get(annotation, annotation))  # type: ignore[call-overload]
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _encoded_default(name: str, declared: TypeName, default: Any) -> bytes:
    if not is_a(default, declared):
        raise InvalidError(f"Class parameter '{name}': its default must be {declared}, not {type_name(default)}")
    return encoded_value(default, declared, f"Class parameter '{name}': its default")
