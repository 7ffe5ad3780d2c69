"""`@motet.batched` and `with_batching`: what they accept, what they refuse, and in which words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import motet
from motet.errors import InvalidError
from motet.model.scaling import Batching, Concurrency


def double(x: list[int]) -> list[int]:
    return [2 * it for it in x]


async def double_async(x: list[int]) -> list[int]:
    return double(x)


def count(x: list[int]) -> Iterator[int]:
    yield from x


async def count_async(x: list[int]) -> AsyncIterator[int]:
    yield 1


def with_default(x: list[int], y: int = 5) -> list[int]:
    return x


def with_star(*x: list[int]) -> list[int]:
    return []


def with_stars(**x: list[int]) -> list[int]:
    return []


BATCHED = motet.batched(max_batch_size=4, wait_ms=100)
BATCHING = Batching(max_batch_size=4, wait_ms=100)


def message(action: Any) -> str:
    with pytest.raises(InvalidError) as caught:
        action()
    return str(caught.value)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "wait", "text"),
    [
        (0, 1, "max_batch_size must be a positive integer."),
        (-1, 1, "max_batch_size must be a positive integer."),
        (1.5, 1, "max_batch_size must be a positive integer."),
        (True, 1, "max_batch_size must be a positive integer."),
        ("4", 1, "max_batch_size must be a positive integer."),
        (1001, 1, "max_batch_size cannot be greater than 1000."),
        (1, -1, "wait_ms must be a non-negative integer."),
        (1, 0.5, "wait_ms must be a non-negative integer."),
        (1, None, "wait_ms must be a non-negative integer."),
        (1, "soon", "wait_ms must be a non-negative integer."),
        (1, 600_001, "wait_ms cannot be greater than 600000."),
    ],
)
def test_values_out_of_range_are_refused_by_the_decorator_and_by_with_batching(size: Any, wait: Any, text: str) -> None:
    declared = motet.App().function()(double)
    assert message(lambda: motet.batched(max_batch_size=size, wait_ms=wait)) == text
    assert message(lambda: declared.with_batching(max_batch_size=size, wait_ms=wait)) == text


@pytest.mark.parametrize(("size", "wait"), [(1, 0), (1000, 600_000), (8, "auto")])
def test_the_limits_are_accepted(size: int, wait: Any) -> None:
    declared = motet.App().function()(motet.batched(max_batch_size=size, wait_ms=wait)(double))
    assert declared.target.spec.batching == Batching(max_batch_size=size, wait_ms=wait)


def test_both_values_are_required() -> None:
    with pytest.raises(TypeError, match="missing 2 required keyword-only arguments: 'max_batch_size' and 'wait_ms'"):
        motet.batched()  # type: ignore[call-arg]


def test_forgotten_parentheses_are_named() -> None:
    text = message(lambda: motet.batched(double, max_batch_size=1, wait_ms=1))  # type: ignore[arg-type]
    assert text.startswith("Positional arguments are not allowed. Did you forget parentheses?")


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [double, double_async])
def test_functions_of_both_kinds_are_batched(function: Any) -> None:
    assert motet.App().function()(BATCHED(function)).target.spec.batching == BATCHING


def test_without_it_nothing_is_batched() -> None:
    assert motet.App().function()(double).target.spec.batching is None


def test_it_goes_with_concurrent_in_either_order() -> None:
    concurrent = motet.concurrent(max_inputs=3)
    for wrapped in (concurrent(BATCHED(double)), BATCHED(concurrent(double))):
        spec = motet.App().function()(wrapped).target.spec
        assert (spec.batching, spec.concurrency) == (BATCHING, Concurrency(max_inputs=3, target_inputs=3))


def test_twice_is_refused_whatever_is_between() -> None:
    text = "Cannot set `batch_max_size` twice."
    assert message(lambda: BATCHED(BATCHED(double))) == text
    assert message(lambda: BATCHED(motet.concurrent(max_inputs=2)(BATCHED(double)))) == text
    assert message(lambda: BATCHED(motet.method()(BATCHED(double)))) == text
    concurrent = motet.concurrent(max_inputs=2)
    assert message(lambda: concurrent(BATCHED(concurrent(double)))) == "Cannot set `max_concurrent_inputs` twice."


@pytest.mark.parametrize("function", [count, count_async])
def test_generators_are_refused(function: Any) -> None:
    text = f"Motet batched function {function.__name__} cannot return generators"
    assert message(lambda: motet.App().function()(BATCHED(function))) == text
    declared = motet.App().function()(function)
    assert message(lambda: declared.with_batching(max_batch_size=2, wait_ms=1)) == text


def test_default_arguments_are_refused() -> None:
    text = "Motet batched function with_default does not accept default arguments."
    assert message(lambda: motet.App().function()(BATCHED(with_default))) == text


@pytest.mark.parametrize("function", [with_star, with_stars])
def test_parameters_without_names_are_refused(function: Any) -> None:
    assert "does not accept *args or **kwargs" in message(lambda: motet.App().function()(BATCHED(function)))


def test_the_wrapped_function_still_runs_here() -> None:
    assert BATCHED(double)([1, 2]) == [2, 4]
    assert motet.App().function()(BATCHED(double)).local([1, 2]) == [2, 4]


def test_what_cannot_be_batched_is_refused() -> None:
    app = motet.App()
    on_class = "Cannot apply `@motet.batched` to a class. Hint: consider applying to a method instead."
    for wrapped in (Plain, motet.concurrent(max_inputs=2)(Plain), app.cls()(Plain)):
        assert message(lambda wrapped=wrapped: BATCHED(wrapped)) == on_class  # type: ignore[misc]
    assert message(lambda: BATCHED(app.function()(double))) == (
        "Cannot stack `@motet.batched` on top of `@app.function`. Hint: swap the order of the decorators."
    )
    assert message(lambda: BATCHED(5)) == "The object wrapped by `@motet.batched` must be callable."  # type: ignore[arg-type]


# --- methods ----------------------------------------------------------------------------------------------------------


class Plain:
    @motet.method()
    def double(self, x: list[int]) -> list[int]:
        return double(x)


class Alone:
    @BATCHED
    def double(self, x: list[int]) -> list[int]:
        return double(x)


class Under:
    @motet.enter()
    def load(self) -> None: ...

    @motet.method()
    @BATCHED
    def double(self, x: list[int]) -> list[int]:
        return double(x)


class Above:
    @BATCHED
    @motet.method()
    def double(self, x: list[int]) -> list[int]:
        return double(x)


class Child(Alone):
    pass


@pytest.mark.parametrize("user_cls", [Alone, Under, Above, Child])
def test_a_method_is_batched_with_or_without_the_method_decorator_in_either_order(user_cls: type) -> None:
    declared: Any = motet.App().cls()(motet.concurrent(max_inputs=2)(user_cls))
    assert declared.target.spec.batching == BATCHING
    assert [it.name for it in declared.target.spec.methods] == ["double"]
    assert declared().double.local([1]) == [2]
    assert user_cls().double([2]) == [4]


def test_a_class_has_one_batched_method_and_no_other() -> None:
    class Two:
        @BATCHED
        def a(self, x: list[int]) -> list[int]:
            return x

        @BATCHED
        def b(self, x: list[int]) -> list[int]:
            return x

    class Mixed:
        @BATCHED
        def a(self, x: list[int]) -> list[int]:
            return x

        @motet.method()
        def b(self) -> None: ...

    serialized = motet.App().cls(serialized=True)
    assert message(lambda: serialized(Two)) == "Motet class Two can only have one batched function."
    assert message(lambda: serialized(Mixed)) == (
        "Motet class Mixed with a motet batched function cannot have other motet methods."
    )


def test_a_batched_method_is_checked_like_a_function() -> None:
    class Defaults:
        @BATCHED
        def double(self, x: list[int], y: int = 2) -> list[int]:
            return x

    assert message(lambda: motet.App().cls(serialized=True)(Defaults)) == (
        "Motet batched function double does not accept default arguments."
    )


def test_hooks_are_not_batched() -> None:
    text = "Interface decorators cannot be combined with lifecycle decorators."
    for hook in (motet.enter(), motet.exit()):
        assert message(lambda hook=hook: BATCHED(hook(double))) == text  # type: ignore[misc]
        assert message(lambda hook=hook: hook(BATCHED(double))) == text  # type: ignore[misc]


def test_concurrent_on_a_batched_method_is_refused() -> None:
    text = "The `@motet.concurrent` decorator cannot be used on methods; decorate the class instead."
    assert message(lambda: motet.method()(motet.concurrent(max_inputs=2)(BATCHED(double)))) == text

    class Wrong:
        @motet.concurrent(max_inputs=2)
        @BATCHED
        def double(self, x: list[int]) -> list[int]:
            return x

    assert message(lambda: motet.App().cls(serialized=True)(Wrong)) == text


# --- with_batching ----------------------------------------------------------------------------------------------------


def test_with_batching_gives_a_function_or_class_a_variant_with_a_pool_of_its_own() -> None:
    function = motet.App().function()(BATCHED(double))
    varied = function.with_batching(max_batch_size=9, wait_ms=0).with_concurrency(max_inputs=2)
    assert varied.target.spec.batching == Batching(max_batch_size=9, wait_ms=0)
    assert varied.target.spec.concurrency.max_inputs == 2
    assert function.target.spec.batching == BATCHING
    declared = motet.App().cls()(Plain)
    assert declared.with_batching(max_batch_size=2, wait_ms=5).target.spec.batching == Batching(
        max_batch_size=2, wait_ms=5
    )


def test_with_batching_needs_one_method() -> None:
    class Two:
        @motet.method()
        def a(self) -> None: ...

        @motet.method()
        def b(self) -> None: ...

    declared: Any = motet.App().cls(serialized=True)(Two)
    assert "cannot have other motet methods" in message(lambda: declared.with_batching(max_batch_size=2, wait_ms=5))
    assert "Call it on the class" in message(lambda: declared().a.with_batching(max_batch_size=2, wait_ms=5))


def test_web_functions_are_not_batched() -> None:
    text = "Callable decorators cannot be combined with web interface decorators."
    web = motet.fastapi_endpoint()
    assert message(lambda: BATCHED(web(double))) == text
    declared = motet.App().function()(web(double))
    assert message(lambda: declared.with_batching(max_batch_size=2, wait_ms=5)) == text
