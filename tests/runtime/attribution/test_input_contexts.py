"""The context of each input: values of the hooks', in a copy, and copies of those that are changed in place."""

from __future__ import annotations

import contextvars
import decimal

from motet.runtime.attribution.input_contexts import InputContexts

variable: contextvars.ContextVar[object] = contextvars.ContextVar("variable", default="unset")


def _entered(value: object) -> contextvars.Context:
    context = contextvars.Context()
    context.run(variable.set, value)
    return context


def test_each_context_begins_with_the_values_of_the_hooks_and_keeps_its_own() -> None:
    contexts = InputContexts(_entered("ada"))
    first, second = contexts.new(), contexts.new()
    first.run(variable.set, "grace")
    assert (first[variable], second[variable], contexts.new()[variable]) == ("grace", "ada", "ada")


def test_values_are_the_hooks_own_objects() -> None:
    shared: list[int] = []
    contexts = InputContexts(_entered(shared))
    assert contexts.new()[variable] is contexts.new()[variable] is shared


def test_a_decimal_context_is_a_copy_of_that_of_the_hooks() -> None:
    def set_precision(digits: int) -> None:
        decimal.getcontext().prec = digits

    def precision() -> int:
        return decimal.getcontext().prec

    entered = contextvars.Context()
    entered.run(set_precision, 50)
    contexts = InputContexts(entered)
    first = contexts.new()
    first.run(set_precision, 5)
    assert (first.run(precision), contexts.new().run(precision), entered.run(precision)) == (5, 50, 50)
