"""`motet.Retries` and the `retries` keyword."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from motet.errors import InvalidError
from motet.model.retries import RetryPolicy
from motet.sdk.options.checks import is_int, is_number, type_name


class Retries:
    """How often an input whose code raised runs again, and after which wait. Delays are seconds or timedeltas.

    The wait before retry n is `min(max_delay, initial_delay * backoff_coefficient ** (n - 1))`. Raises `InvalidError`
    for values out of range: `backoff_coefficient` 1 to 10, `initial_delay` 0 to 60 s, `max_delay` 1 to 60 s.
    """

    def __init__(
        self,
        *,
        max_retries: int,
        backoff_coefficient: float = 2.0,
        initial_delay: float | timedelta = 1.0,
        max_delay: float | timedelta = 60.0,
    ) -> None:
        if not is_int(max_retries):
            raise InvalidError(f"Invalid retries number: {max_retries!r}. It must be an integer.")
        self.policy = RetryPolicy(
            max_retries=max_retries,
            backoff_coefficient=_number("backoff_coefficient", backoff_coefficient),
            initial_delay=_seconds("initial_delay", initial_delay),
            max_delay=_seconds("max_delay", max_delay),
        )

    def __repr__(self) -> str:
        policy = self.policy
        return (
            f"Retries(max_retries={policy.max_retries}, backoff_coefficient={policy.backoff_coefficient}, "
            f"initial_delay={policy.initial_delay}, max_delay={policy.max_delay})"
        )


def retry_policy_from(retries: Any, name: str) -> RetryPolicy:
    """The `retries` keyword of function `name` as a policy. An int n: n retries, each a second after the failure."""
    if isinstance(retries, Retries):
        return retries.policy
    if is_int(retries):
        return RetryPolicy(max_retries=retries, backoff_coefficient=1.0, initial_delay=1.0)
    of_function = f" on Function '{name}'" if name else ""
    raise InvalidError(
        f"Retries parameter must be an integer or instance of motet.Retries. Found: {type(retries)}{of_function}."
    )


def _seconds(name: str, value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else _number(name, value)


def _number(name: str, value: Any) -> float:
    if not is_number(value):
        raise InvalidError(f"Invalid {name} argument: {value!r}. It must be a number, not {type_name(value)}.")
    return float(value)
