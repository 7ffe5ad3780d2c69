"""`target_inputs="auto"`, as it is declared: on functions, classes, methods, web functions and variants of them."""

from __future__ import annotations

from typing import Any

import pytest

import motet
from motet.errors import InvalidError
from motet.model.scaling import Concurrency

AUTO = Concurrency(max_inputs=100, target_inputs="auto", slo_p95=0.5)
KEYWORDS: dict[str, Any] = {"max_inputs": 100, "target_inputs": "auto", "slo_p95": 0.5}


def double(x: int) -> int:
    return 2 * x


def doubles(xs: list[int]) -> list[int]:
    return [2 * x for x in xs]


class Plain:
    @motet.method()
    def double(self, x: int) -> int:
        return 2 * x


class Batched:
    @motet.batched(max_batch_size=4, wait_ms=10)
    @motet.method()
    def doubles(self, xs: list[int]) -> list[int]:
        return [2 * x for x in xs]


def test_functions_classes_and_web_functions_can_learn_their_target() -> None:
    app = motet.App()
    concurrent = motet.concurrent(**KEYWORDS)
    web: Any = concurrent(motet.fastapi_endpoint()(double))
    declared: list[Any] = [
        app.function(name="f")(concurrent(double)),
        app.cls()(concurrent(Plain)),
        app.function(name="web")(web),
        app.function(name="g")(double).with_concurrency(**KEYWORDS),
    ]
    declared.append(declared[1].with_concurrency(**KEYWORDS))
    assert [it.target.spec.concurrency for it in declared] == [AUTO] * len(declared)
    assert declared[1]().double.target.spec.concurrency == AUTO


def test_without_an_slo_it_is_the_knee_and_without_auto_it_is_as_ever() -> None:
    app = motet.App()
    knee: Any = app.function()(motet.concurrent(max_inputs=8, target_inputs="auto")(double))
    assert knee.target.spec.concurrency == Concurrency(max_inputs=8, target_inputs="auto")
    plain: Any = app.function(name="plain")(motet.concurrent(max_inputs=8)(double))
    assert plain.target.spec.concurrency == Concurrency(max_inputs=8, target_inputs=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slo_p95": 0.5}, 'The `slo_p95` argument goes only with target_inputs="auto", got None.'),
        ({"target_inputs": 5, "slo_p95": 0.5}, 'The `slo_p95` argument goes only with target_inputs="auto", got 5.'),
        ({"target_inputs": "auto", "slo_p95": 0}, "The `slo_p95` argument must be a number of seconds above 0, got 0."),
        (
            {"target_inputs": "auto", "slo_p95": -1},
            "The `slo_p95` argument must be a number of seconds above 0, got -1.",
        ),
        (
            {"target_inputs": "auto", "slo_p95": float("inf")},
            "The `slo_p95` argument must be a number of seconds above 0, got inf.",
        ),
        (
            {"target_inputs": "auto", "slo_p95": "1s"},
            "The `slo_p95` argument must be a number of seconds above 0, got '1s'.",
        ),
        (
            {"target_inputs": "auto", "slo_p95": True},
            "The `slo_p95` argument must be a number of seconds above 0, got True.",
        ),
        ({"target_inputs": "Auto"}, "The `target_inputs` argument must be a number, not str."),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.concurrent(max_inputs=10, **arguments)
    assert str(caught.value) == message
    with pytest.raises(InvalidError) as caught:
        motet.App().function()(double).with_concurrency(max_inputs=10, **arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_inputs": 0, "target_inputs": "auto"},
        {"max_inputs": 1001, "target_inputs": "auto"},
        {"max_inputs": 9, "target_inputs": 9, "slo_p95": 1.0},
        {"max_inputs": 9, "target_inputs": "auto", "slo_p95": 0.0},
        {"max_inputs": 9, "target_inputs": "auto", "slo_p95": float("nan")},
    ],
)
def test_the_value_itself_refuses_what_came_another_way(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        Concurrency(**wrong)


def test_batches_need_a_target_in_numbers() -> None:
    app = motet.App()
    batched = motet.batched(max_batch_size=4, wait_ms=10)(doubles)
    with pytest.raises(InvalidError, match=r'^doubles: target_inputs="auto" cannot be combined with @motet\.batched'):
        app.function()(motet.concurrent(**KEYWORDS)(batched))
    with pytest.raises(InvalidError, match=r"^Batched: .* cannot be combined"):
        app.cls()(motet.concurrent(**KEYWORDS)(Batched))
    with pytest.raises(InvalidError, match="cannot be combined"):
        app.function(name="later")(batched).with_concurrency(**KEYWORDS).target.spec  # noqa: B018
    learning: Any = app.function(name="learning")(motet.concurrent(**KEYWORDS)(doubles))
    with pytest.raises(InvalidError, match="cannot be combined"):
        learning.with_batching(max_batch_size=4, wait_ms=10).target.spec  # noqa: B018
