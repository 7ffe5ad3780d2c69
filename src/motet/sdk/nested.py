"""Calls made by an input that is itself cancelled meanwhile."""

from __future__ import annotations

import builtins
import contextlib

from motet.client.dual import Steps
from motet.client.waiter import Waiter
from motet.errors import CallerCancelled
from motet.model.outcome import Ended, OutcomeKind
from motet.sdk.context import current_input_id
from motet.wire import failure

PATIENCE = 2.0
"""Seconds that the caller's own cancellation may take to come after that of what it called."""


def own_cancellation_first(ended: Ended) -> Steps[None]:
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
