"""Which decorators go on what: the whole table."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import motet
from motet.exception import InvalidError
from motet.sdk.declare.rules import RULES, traits_of


def function() -> None: ...


class Plain: ...


concurrent = motet.concurrent(max_inputs=2)
batched = motet.batched(max_batch_size=2, wait_ms=1)
web = motet.asgi_app()

THINGS: dict[str, Callable[[], Any]] = {
    "function": lambda: function,
    "callable": lambda: functools.partial(function),
    "number": lambda: 5,
    "class": lambda: Plain,
    "static method": lambda: staticmethod(function),
    "concurrent function": lambda: concurrent(function),
    "batched function": lambda: batched(function),
    "concurrent batched function": lambda: concurrent(batched(function)),
    "web function": lambda: web(function),
    "concurrent callable": lambda: concurrent(functools.partial(function)),
    "concurrent class": lambda: concurrent(Plain),
    "method": lambda: motet.method()(function),
    "batched method": lambda: motet.method()(batched(function)),
    "enter hook": lambda: motet.enter()(function),
    "exit hook": lambda: motet.exit()(function),
    "declared function": lambda: motet.App().function(serialized=True)(function),
    "declared class": lambda: motet.App().cls(serialized=True)(Plain),
}
GO_ON: dict[str, tuple[Callable[[Any], Any], set[str]]] = {
    "concurrent": (concurrent, {"function", "callable", "class", "batched function", "web function"}),
    "batched": (
        batched,
        {"function", "callable", "static method", "concurrent function", "concurrent callable", "method"},
    ),
    "web": (web, {"function", "concurrent function"}),
    "method": (motet.method(), {"function", "batched function"}),
    "enter": (motet.enter(), {"function", "exit hook"}),
    "exit": (motet.exit(), {"function", "enter hook"}),
    "app.function": (
        motet.App().function(serialized=True),
        {"function", "concurrent function", "batched function", "concurrent batched function", "web function"},
    ),
    "app.cls": (motet.App().cls(serialized=True), {"class", "concurrent class"}),
}


@pytest.mark.filterwarnings("ignore:function name .* collision")
@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("decorator", GO_ON)
def test_a_decorator_goes_on_what_it_is_for_and_on_nothing_else(decorator: str, thing: str) -> None:
    decorate, things = GO_ON[decorator]
    if thing in things:
        decorate(THINGS[thing]())
    else:
        with pytest.raises((InvalidError, TypeError)):
            decorate(THINGS[thing]())


@pytest.mark.parametrize("column", RULES)
def test_each_rule_is_of_use(column: Any) -> None:
    told = set()
    for thing in THINGS.values():
        traits = traits_of(thing())
        told |= {next((rule for rule in RULES[column] if rule.trait in traits), None)}
    assert set(RULES[column]) - told == set()
