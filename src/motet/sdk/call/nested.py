"""Calls made by an input: how they end when it is itself cancelled meanwhile, and those that cannot begin."""

from __future__ import annotations

import builtins
import contextlib
import sys

from motet.client.dual import Steps
from motet.client.waiter import Waiter
from motet.context import container
from motet.context.current_input import current_input_id
from motet.errors import CallerCancelled
from motet.model.outcome import InputEnd, OutcomeKind
from motet.wire import failure

PATIENCE = 2.0
"""Seconds that the caller's own cancellation may take to come after that of what it called."""


def say_if_it_cannot_begin(function_id: str) -> None:
    """Before an input waits for a call: if that needs the very place that the input has, say so, once."""
    if function_id == container.alone_in:
        container.run_alone(None)
        print(
            "motet: this function has called itself and waits for the result, but it may have one container (max_containers=1) "
            "that runs one input at a time: the call cannot begin before this input ends. Allow more, call `.local(...)`, or "
            "`.spawn(...)` without waiting.",
            file=sys.stderr,
            flush=True,
        )


def own_cancellation_first(ended: InputEnd) -> Steps[None]:
    """Before a nested call's end is told: perhaps it was cancelled because its caller is.

    Both come from the server, by different ways. The caller's code is to see its own cancellation, which `except Exception`
    does not catch, whichever is here first. A call that somebody cancelled by its id, or that cancelled itself, ends like any
    other.
    """
    if (
        ended.kind is OutcomeKind.CANCELLED
        and current_input_id() is not None
        and isinstance(failure.rebuild(ended.payload), CallerCancelled)
    ):
        with contextlib.suppress(builtins.TimeoutError):
            yield Waiter[None](PATIENCE)
