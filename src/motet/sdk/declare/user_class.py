"""The user's class under `@app.cls`: its methods and hooks, and how an object of it is made. Clients and containers
both use it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from motet.context.notices import warn_user
from motet.errors import DeprecationError, InvalidError
from motet.model.function import MethodSpec
from motet.sdk.declare.parameters import parameter_specs
from motet.sdk.declare.partials import NOT_ON_METHODS, PartialFunction, PartialMethod
from motet.wire.parameters import checked_parameters

Hook = Callable[[Any], Any]


def members(user_cls: type) -> dict[str, PartialMethod[..., Any]]:
    """The decorated members by name, parents' first; one that a child replaces with something undecorated is gone."""
    found: dict[str, PartialMethod[..., Any]] = {}
    for base in reversed(user_cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, PartialMethod):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def methods(user_cls: type) -> tuple[MethodSpec, ...]:
    """The `@motet.method()` members, in order of declaration."""
    return tuple(member.named_spec() for member in members(user_cls).values() if member.spec is not None)


def raw_method(user_cls: type, name: str) -> Callable[..., Any]:
    """What the user wrote for a method: a function that takes the object first."""
    return members(user_cls)[name].raw


def hooks(user_cls: type, kind: Literal["enter", "snapshot", "start", "exit"]) -> list[Hook]:
    """Functions to call with the object, in order: parents' before children's, and `enter(snap=True)` ones ("snapshot") before
    the other enter hooks ("start"). Asynchronous ones return an awaitable."""
    decorated = list(members(user_cls).values())
    if kind == "exit":
        return [member.raw for member in decorated if member.is_exit]
    phases = ("snapshot", "start") if kind == "enter" else (kind,)
    return [member.raw for phase in phases for member in decorated if member.enter_phase == phase]


def instantiate(user_cls: type, parameters: Mapping[str, Any]) -> Any:
    """An object of the class with these parameters, and defaults for the others; no hooks are run.

    Raises `TypeError` for missing, unknown and mistyped parameters.
    """
    specs = parameter_specs(user_cls)
    values = checked_parameters(specs, parameters, user_cls.__name__)
    instance = user_cls()
    for name, value in values.items():
        setattr(instance, name, value)
    return instance


def parameters_of(instance: Any) -> dict[str, Any]:
    """The parameters an object has now."""
    return {spec.name: getattr(instance, spec.name) for spec in parameter_specs(type(instance))}


def check_class(user_cls: type) -> None:
    """Raises `InvalidError` for a class that cannot run in containers; warns of a constructor."""
    if any(isinstance(value, PartialFunction) for base in user_cls.__mro__ for value in vars(base).values()):
        raise InvalidError(NOT_ON_METHODS)
    if user_cls.__init__ is object.__init__:  # type: ignore[misc]
        return
    name = user_cls.__name__
    if parameter_specs(user_cls):
        raise InvalidError(
            "A class can't have both a custom __init__ constructor and dataclass-style motet.parameter() annotations: "
            f"move what {name}.__init__ does to a method with `@motet.enter()`"
        )
    if needed := _required_arguments(user_cls.__init__):  # type: ignore[misc]
        raise InvalidError(
            f"{name}.__init__ needs arguments ({', '.join(needed)}), which containers cannot give. Declare them as "
            "fields, `name: str = motet.parameter()`, and move what __init__ does to a method with `@motet.enter()`."
        )
    warn_user(
        DeprecationError(
            f"{name} has a custom constructor (__init__), which is deprecated. Use `@motet.enter()` for what it does."
        )
    )


def _required_arguments(constructor: Any) -> list[str]:
    _self, *others = inspect.signature(constructor).parameters.values()
    return [it.name for it in others if it.default is it.empty and it.kind not in (it.VAR_POSITIONAL, it.VAR_KEYWORD)]
