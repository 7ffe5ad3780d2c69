"""Which functions and classes can be batched at all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from motet.errors import InvalidError
from motet.model.function import MethodSpec
from motet.model.scaling import Batching

CALLABLE_AND_WEB = "Callable decorators cannot be combined with web interface decorators."


class DecoratedMember(Protocol):
    """A decorated member of a user's class (`PartialMethod`); `spec` is None for hooks."""

    raw: Callable[..., Any]
    spec: MethodSpec | None
    batching: Batching | None

    def named_spec(self) -> MethodSpec: ...


def check_batched(raw: Callable[..., Any], spec: MethodSpec) -> None:
    """Raises `InvalidError` for a function or method that cannot take lists and return one.

    All its parameters must have names and no defaults (`self` aside), so that each becomes one list.
    """
    called = f"Motet batched function {raw.__name__}"
    if spec.web is not None:
        raise InvalidError(CALLABLE_AND_WEB)
    if spec.is_generator:
        raise InvalidError(f"{called} cannot return generators")
    parameters = list(inspect.signature(raw).parameters.values())[1 if spec.name else 0 :]
    if any(it.default is not it.empty for it in parameters):
        raise InvalidError(f"{called} does not accept default arguments.")
    if any(it.kind in (it.VAR_POSITIONAL, it.VAR_KEYWORD) for it in parameters):
        raise InvalidError(
            f"{called} does not accept *args or **kwargs: name each parameter; it gets a list of values."
        )


def check_class_batching(
    name: str, members: Mapping[str, DecoratedMember], given: Batching | None = None
) -> Batching | None:
    """How a class's inputs are batched, as `@motet.batched` on its method says or, on top of that, `given` does.

    Raises `InvalidError` if there are other methods: all inputs of a batch go to one.
    """
    methods = [member for member in members.values() if member.spec is not None]
    batched = [member for member in methods if member.batching is not None]
    if len(batched) > 1:
        raise InvalidError(f"Motet class {name} can only have one batched function.")
    batching = given or (batched[0].batching if batched else None)
    if batching is not None:
        if len(methods) > 1:
            raise InvalidError(f"Motet class {name} with a motet batched function cannot have other motet methods.")
        for member in methods:
            check_batched(member.raw, member.named_spec())
    return batching
