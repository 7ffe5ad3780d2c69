"""The keywords that say how long inputs wait and how many may, and what happens to those that are cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motet.errors import InvalidError
from motet.model.function import DEFAULT_CANCELLATION_GRACE, SyncCancellation
from motet.sdk.options.checks import is_int, is_number

MAX_WAITING_INPUTS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """These keywords, checked. The names are those of `FunctionSpec`."""

    cancellation_grace: float
    sync_cancellation: SyncCancellation
    queue_timeout: float | None
    max_waiting_inputs: int | None


def service_options_from(given: Mapping[str, Any], longest: float) -> ServiceOptions:
    """The keywords among `given`; absent ones have their defaults. Times are at most `longest` seconds.

    Raises `InvalidError` that names the keyword, its value and what it may be.
    """
    grace = given.get("cancellation_grace")
    timeout = given.get("queue_timeout")
    return ServiceOptions(
        cancellation_grace=DEFAULT_CANCELLATION_GRACE
        if grace is None
        else _seconds("cancellation_grace", grace, longest),
        sync_cancellation=_sync_cancellation(given.get("sync_cancellation")),
        queue_timeout=None if timeout is None else _seconds("queue_timeout", timeout, longest),
        max_waiting_inputs=_count(given.get("max_waiting_inputs")),
    )


def _seconds(name: str, value: Any, longest: float) -> float:
    if not is_number(value) or not 0 < value <= longest:
        raise InvalidError(
            f"`{name}` must be a number of seconds, more than 0 and at most {longest:.0f}, got {value!r}"
        )
    return float(value)


def _sync_cancellation(value: Any) -> SyncCancellation:
    match value:
        case None | "input":
            return "input"
        case "container":
            return "container"
        case _:
            raise InvalidError(
                '`sync_cancellation` must be "input" (only the cancelled input ends) or "container" '
                f"(its container ends, too, and the other inputs run elsewhere), got {value!r}"
            )


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if not is_int(value) or not 1 <= value <= MAX_WAITING_INPUTS:
        raise InvalidError(f"`max_waiting_inputs` must be an int between 1 and {MAX_WAITING_INPUTS}, got {value!r}")
    return int(value)
