"""Which decorators of ours go on what, and what is said where one does not."""

from __future__ import annotations

import inspect
from typing import Literal

import msgspec

from motet.errors import InvalidError
from motet.sdk.call.function import Function
from motet.sdk.declare.cls import Cls
from motet.sdk.declare.partials import NOT_ON_METHODS, PartialClass, PartialFunction, PartialMethod
from motet.sdk.options.batching import CALLABLE_AND_WEB

Trait = Literal[
    # what decorators of ours have made of it
    "declared function",
    "declared class",
    "concurrent",
    "batched",
    "web",
    "method",
    "enter",
    "exit",
    "hook",
    # what it is
    "class",
    "member",
    "not a class",
    "not a function",
    "not a plain function",  # nor one under decorators of ours
    "not callable",
    "nameless",
]
Column = Literal["concurrent", "batched", "web", "method", "enter", "exit", "app.function", "app.cls"]


class Rule(msgspec.Struct, frozen=True):
    """What has this trait cannot have the decorator. In what is said, `{decorator}` and `{wrapped}` are named."""

    trait: Trait
    says: str
    error: type[Exception] = InvalidError


_INTERFACE_AND_LIFECYCLE = "Interface decorators cannot be combined with lifecycle decorators."
_SWAP = "Cannot stack `{decorator}` on top of `@app.function`. Hint: swap the order of the decorators."
_NO_CLASS = "Cannot apply `{decorator}` to a class. Hint: consider applying to a method instead."
_NO_CALLABLE = "The object wrapped by `{decorator}` must be callable."
_TWICE = "Cannot apply `{decorator}` twice."

_ON_MEMBERS = (
    Rule("class", "`{decorator}()` cannot be used on a class. Use `@app.cls()` for it, and `{decorator}()` inside."),
    Rule("concurrent", NOT_ON_METHODS),
    Rule(
        "declared function",
        "`{decorator}()` cannot be combined with `@app.function`. Use it alone, in an `@app.cls()` class.",
    ),
    Rule("not a plain function", "`{decorator}()` must be used on a method that takes `self`, not on {wrapped}"),
)
_HOOKS = (
    *_ON_MEMBERS,
    Rule("web", _INTERFACE_AND_LIFECYCLE),
    Rule("method", _INTERFACE_AND_LIFECYCLE),
    Rule("batched", _INTERFACE_AND_LIFECYCLE),
)
_NOT_ON_MEMBERS = (
    "The `@app.function` decorator cannot be used on class methods. Swap with `@motet.method`, and decorate the class with "
    "`@app.cls()`."
)

RULES: dict[Column, tuple[Rule, ...]] = {
    "concurrent": (
        Rule("concurrent", "Cannot set `max_concurrent_inputs` twice."),
        Rule("declared function", _SWAP),
        Rule("declared class", _SWAP.replace("@app.function", "@app.cls()")),
        Rule("member", NOT_ON_METHODS),
        Rule("not callable", _NO_CALLABLE),
    ),
    "batched": (
        Rule("declared function", _SWAP),
        Rule("class", _NO_CLASS),
        Rule("batched", "Cannot set `batch_max_size` twice."),
        Rule("hook", _INTERFACE_AND_LIFECYCLE),
        Rule("web", CALLABLE_AND_WEB),
        Rule("not callable", _NO_CALLABLE),
    ),
    "web": (
        Rule("declared function", _SWAP),
        Rule("class", _NO_CLASS),
        Rule("method", CALLABLE_AND_WEB),
        Rule("batched", CALLABLE_AND_WEB),
        Rule("hook", _INTERFACE_AND_LIFECYCLE),
        Rule("web", "A function can have one web interface decorator only."),
        Rule("not a function", "`{decorator}` must be used on a function, not on {wrapped}"),
    ),
    "method": (
        *_ON_MEMBERS,
        Rule("web", CALLABLE_AND_WEB),
        Rule("method", _TWICE),
        Rule("hook", _INTERFACE_AND_LIFECYCLE),
    ),
    "enter": (*_HOOKS, Rule("enter", _TWICE)),
    "exit": (*_HOOKS, Rule("exit", _TWICE)),
    "app.function": (
        Rule(
            "class",
            "The `@app.function` decorator cannot be used on a class. Please use `@app.cls` instead.",
            TypeError,
        ),
        Rule("declared function", "Cannot apply `@app.function` twice; a function belongs to one app under one name."),
        Rule("member", _NOT_ON_MEMBERS),
        Rule("nameless", "The `@app.function` decorator must be used on a function, not on {wrapped}"),
    ),
    "app.cls": (
        Rule("declared class", _TWICE),
        Rule("not a class", "The @app.cls decorator must be used on a class.", TypeError),
    ),
}


def refuse(column: Column, wrapped: object, decorator: str = "") -> None:
    """Raises what a rule of this column says of `wrapped`. `decorator`: how it is written, if not as the column."""
    traits = traits_of(wrapped)
    for rule in RULES[column]:
        if rule.trait in traits:
            inner = wrapped.raw if isinstance(wrapped, PartialFunction) else wrapped
            written = decorator or ("@" if column.startswith("app.") else "@motet.") + column
            raise rule.error(rule.says.format(decorator=written, wrapped=repr(inner)))


_OF_TYPES: tuple[tuple[type, set[Trait]], ...] = (
    (Function, {"declared function", "not a class"}),
    (Cls, {"class", "declared class", "not a class"}),
    (PartialClass, {"class", "concurrent"}),
    (type, {"class"}),
)


def traits_of(wrapped: object) -> set[Trait]:
    """All that rules ask of it."""
    for kind, traits in _OF_TYPES:
        if isinstance(wrapped, kind):
            return traits
    marks: dict[Trait, object]
    match wrapped:
        case PartialFunction():
            marks = {"concurrent": wrapped.concurrency, "batched": wrapped.batching, "web": wrapped.web}
            return _held(marks) | (_bare(wrapped.raw) - {"not a plain function"})
        case PartialMethod():
            enter, leave = wrapped.enter_phase, wrapped.is_exit or None
            marks = {"method": wrapped.spec, "batched": wrapped.batching, "enter": enter, "exit": leave}
            marks["hook"] = enter or leave
            return _held(marks) | {"member", "not a class"}
    return _bare(wrapped)


def _bare(wrapped: object) -> set[Trait]:
    """Those of what no decorator of ours has been on."""
    traits: set[Trait] = {"not a class"}
    if isinstance(wrapped, staticmethod | classmethod):
        traits.add("member")
    if not inspect.isfunction(wrapped):
        traits |= {"not a function", "not a plain function"}
    if not callable(wrapped):
        traits.add("not callable")
    if not callable(wrapped) or not hasattr(wrapped, "__qualname__") or getattr(wrapped, "__module__", None) is None:
        traits.add("nameless")
    return traits


def _held(marks: dict[Trait, object]) -> set[Trait]:
    return {trait for trait, held in marks.items() if held is not None}
