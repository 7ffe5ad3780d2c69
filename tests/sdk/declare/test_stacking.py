"""Decorators of other people above Motet's are told about where they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import motet
from motet.exception import InvalidError


def logged(function: Any) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return run


def unmarked(function: Any) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return run


@pytest.mark.parametrize("above", [logged, unmarked, staticmethod, property, lambda it: logged(logged(it))])
@pytest.mark.parametrize(
    "ours", [motet.method(), motet.enter(), motet.exit(), motet.batched(max_batch_size=2, wait_ms=1)]
)
def test_a_decorator_above_that_of_a_method_is_refused_where_the_class_is_declared(above: Any, ours: Any) -> None:
    class Model:
        def get(self) -> int:
            return 1

    Model.get = above(ours(Model.get))  # type: ignore[method-assign]
    with pytest.raises(InvalidError, match=r"Model\.get has another decorator above `@motet\..* swap the order"):
        motet.App().cls(serialized=True)(Model)


@pytest.mark.parametrize("above", [logged, unmarked])
def test_a_decorator_between_ours_is_refused(above: Any) -> None:
    between = above(motet.concurrent(max_inputs=5)(logged))
    with pytest.raises(InvalidError, match=r"another decorator above `@motet\.concurrent or the like`"):
        motet.App().function(serialized=True)(between)


def test_decorators_below_ours_are_fine() -> None:
    class Model:
        @motet.method()
        @logged
        def get(self) -> int:
            return 1

        @property
        def plain(self) -> int:
            return 2

        helper = staticmethod(logged)

    assert [it.name for it in motet.App().cls(serialized=True)(Model).target.spec.methods] == ["get"]
    assert motet.App().function(serialized=True)(logged(logged)).name == "logged"
