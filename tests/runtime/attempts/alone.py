"""An attempt without an executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from motet.client.gate import Gate
from motet.model.outcome import Delivery
from motet.runtime.attempts.attempt import RunningAttempt
from motet.runtime.sender import Sender


def attempt_at(
    call: Callable[..., Any], delivery: Delivery, gate: Gate | None, *, cancelled: bool = False
) -> RunningAttempt:
    """An attempt that sends nothing but its end."""
    return RunningAttempt(call, delivery, gate, cast(Sender, None), None, lambda _: cancelled)
