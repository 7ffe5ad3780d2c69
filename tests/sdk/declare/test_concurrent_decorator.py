"""Every row of the table of `@motet.concurrent`: what it accepts, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import pytest

import motet
from motet.exception import InvalidError
from motet.model.scaling import Concurrency
from motet.sdk.call.function import Function

ON_METHOD = "The `@motet.concurrent` decorator cannot be used on methods; decorate the class instead."


def double(x: int) -> int:
    return 2 * x


def count() -> Any:
    yield 1


async def async_count() -> Any:
    yield 1


class Plain:
    @motet.method()
    def double(self, x: int) -> int:
        return 2 * x


def concurrency_of(decorator: Any, function: Any = double, **options: Any) -> Concurrency:
    declared: Function[..., Any] = motet.App().function(**options)(decorator(function))
    return declared.target.spec.concurrency


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"max_inputs": 1}, (1, 1)),
        ({"max_inputs": 1000}, (1000, 1000)),
        ({"max_inputs": 10, "target_inputs": 4}, (10, 4)),
        ({"max_inputs": 10, "target_inputs": 10}, (10, 10)),
        ({"max_inputs": 10, "target_inputs": 0}, (10, 10)),
        ({"max_inputs": 10, "target_inputs": None}, (10, 10)),
        ({"max_inputs": 10, "target_inputs": 2.0}, (10, 2)),
    ],
)
def test_values_reach_the_spec(arguments: dict[str, Any], expected: tuple[int, int]) -> None:
    found = concurrency_of(motet.concurrent(**arguments))
    assert (found.max_inputs, found.target_inputs) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_inputs": 5, "target_inputs": 6}, "`target_inputs` parameter cannot be greater than `max_inputs`."),
        (
            {"max_inputs": 5, "target_inputs": 2.5},
            "The `target_inputs` argument must be an integer; fractional values are only supported for Servers.",
        ),
        ({"max_inputs": 5, "target_inputs": -1}, "The `target_inputs` argument must be non-negative."),
        ({"max_inputs": 5, "target_inputs": True}, "The `target_inputs` argument must be a number, not bool."),
        ({"max_inputs": 5, "target_inputs": "a"}, "The `target_inputs` argument must be a number, not str."),
        ({"max_inputs": 5, "target_inputs": float("inf")}, "The `target_inputs` argument must be finite, not inf."),
        ({"max_inputs": 5, "target_inputs": float("nan")}, "The `target_inputs` argument must be finite, not nan."),
        ({"max_inputs": 0}, "The `max_inputs` argument must be between 1 and 1000, got 0."),
        ({"max_inputs": -1}, "The `max_inputs` argument must be between 1 and 1000, got -1."),
        ({"max_inputs": 1001}, "The `max_inputs` argument must be between 1 and 1000, got 1001."),
        ({"max_inputs": 1.5}, "The `max_inputs` argument must be an integer, got 1.5 (float)."),
        ({"max_inputs": "a"}, "The `max_inputs` argument must be an integer, got 'a' (str)."),
        ({"max_inputs": True}, "The `max_inputs` argument must be an integer, got True (bool)."),
    ],
)
def test_nonsense_is_refused_where_it_is_written(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.concurrent(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("arguments", [{}, {"target_inputs": 3}])
def test_max_inputs_must_be_given(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as caught:
        motet.concurrent(**arguments)
    assert str(caught.value) == "`@motet.concurrent()` missing required argument: `max_inputs`."


@pytest.mark.parametrize("positional", [double, Plain, 10])
def test_forgotten_parentheses_are_named(positional: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.concurrent(positional)
    assert str(caught.value) == (
        "Positional arguments are not allowed. Did you forget parentheses? Suggestion: `@motet.concurrent()`."
    )


@pytest.mark.parametrize("target", [double, Plain])
def test_it_cannot_be_applied_twice(target: Any) -> None:
    once = motet.concurrent(max_inputs=2)(target)
    with pytest.raises(InvalidError, match=r"^Cannot set `max_concurrent_inputs` twice\.$"):
        motet.concurrent(max_inputs=2)(once)


def test_on_top_of_app_function_the_order_is_named() -> None:
    declared = motet.App().function()(double)
    with pytest.raises(InvalidError) as caught:
        motet.concurrent(max_inputs=2)(declared)  # type: ignore[type-var]
    assert str(caught.value) == (
        "Cannot stack `@motet.concurrent` on top of `@app.function`. Hint: swap the order of the decorators."
    )


def test_on_top_of_app_cls_the_order_is_named() -> None:
    declared = motet.App().cls()(Plain)
    with pytest.raises(InvalidError) as caught:
        motet.concurrent(max_inputs=2)(declared)
    assert str(caught.value) == (
        "Cannot stack `@motet.concurrent` on top of `@app.cls()`. Hint: swap the order of the decorators."
    )


@pytest.mark.parametrize("thing", [5, "f", None])
def test_what_is_wrapped_must_be_callable(thing: Any) -> None:
    with pytest.raises(InvalidError, match=r"^The object wrapped by `@motet\.concurrent` must be callable\.$"):
        motet.concurrent(max_inputs=2)(thing)


def test_over_a_decorated_method_it_is_refused() -> None:
    with pytest.raises(InvalidError) as caught:
        motet.concurrent(max_inputs=2)(motet.method()(double))
    assert str(caught.value) == ON_METHOD


@pytest.mark.parametrize("decorator", [motet.method(), motet.enter(), motet.exit()])
def test_under_a_method_decorator_it_is_refused(decorator: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        decorator(motet.concurrent(max_inputs=2)(double))
    assert str(caught.value) == ON_METHOD


class ConcurrentMethod:
    @motet.concurrent(max_inputs=2)
    def double(self, x: int) -> int:
        return 2 * x


class ConcurrentMethodInParent(ConcurrentMethod):
    pass


@pytest.mark.parametrize("user_cls", [ConcurrentMethod, ConcurrentMethodInParent])
def test_on_an_undecorated_method_app_cls_refuses_it(user_cls: type) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.App().cls()(user_cls)
    assert str(caught.value) == ON_METHOD


def test_a_class_takes_app_cls() -> None:
    for wrapped in (Plain, motet.concurrent(max_inputs=2)(Plain)):
        with pytest.raises(TypeError) as caught:
            motet.App().function()(wrapped)
        assert str(caught.value) == (
            "The `@app.function` decorator cannot be used on a class. Please use `@app.cls` instead."
        )


def test_a_function_takes_app_function() -> None:
    for wrapped in (double, motet.concurrent(max_inputs=2)(double)):
        with pytest.raises(TypeError, match=r"^The @app\.cls decorator must be used on a class\.$"):
            motet.App().cls()(wrapped)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [double, count, async_count])
def test_functions_and_generators_of_both_kinds_are_accepted(function: Any) -> None:
    assert concurrency_of(motet.concurrent(max_inputs=3), function).max_inputs == 3


@pytest.mark.parametrize("options", [{"retries": 2}, {"single_use_containers": True}])
def test_it_goes_with_other_options(options: dict[str, Any]) -> None:
    assert concurrency_of(motet.concurrent(max_inputs=3), **options).max_inputs == 3


def test_a_class_has_one_concurrency_for_all_methods() -> None:
    declared = motet.App().cls()(motet.concurrent(max_inputs=6, target_inputs=2)(Plain))
    assert declared.target.spec.concurrency == Concurrency(max_inputs=6, target_inputs=2)


def test_without_it_a_container_takes_one_input() -> None:
    assert motet.App().function()(double).target.spec.concurrency == Concurrency(max_inputs=1, target_inputs=1)


def test_one_function_can_be_declared_with_several_concurrencies() -> None:
    app = motet.App()
    declared = [app.function(name=f"f{n}")(motet.concurrent(max_inputs=n)(double)) for n in (2, 5)]
    assert [it.target.spec.concurrency.max_inputs for it in declared] == [2, 5]


def test_the_wrapped_function_still_runs_here_and_looks_like_itself() -> None:
    wrapped = motet.concurrent(max_inputs=2)(double)
    assert wrapped(4) == 8
    assert wrapped.__name__ == "double"
    assert motet.concurrent(max_inputs=2)(Plain)().double(4) == 8


def test_with_concurrency_checks_like_the_decorator() -> None:
    declared = motet.App().cls()(Plain)
    with pytest.raises(InvalidError, match="cannot be greater than `max_inputs`"):
        declared.with_concurrency(max_inputs=5, target_inputs=6)
    with pytest.raises(InvalidError, match="must be between 1 and 1000, got 0"):
        declared.with_concurrency(max_inputs=0)
    assert declared.with_concurrency(max_inputs=7).target.spec.concurrency == Concurrency(max_inputs=7, target_inputs=7)
