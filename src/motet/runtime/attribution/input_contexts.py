"""The context that each input runs in: what the enter hooks set, in a copy of its own."""

from __future__ import annotations

import copy
import decimal
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any


class InputContexts:
    """Copies of the context that the enter hooks ran in, as it is when this is made.

    A copy of a context has the same values in it. Those that are changed in place, because without Motet each thread
    has one of its own, are copied too: `decimal`'s contexts, and Sentry's scopes.
    """

    def __init__(self, entered: Context) -> None:
        self._entered = entered.copy()
        self._changeable: list[tuple[ContextVar[Any], Any]] = [
            (variable, value) for variable, value in self._entered.items() if _is_changed_in_place(value)
        ]
        self.new: Callable[[], Context] = self._with_copies if self._changeable else self._entered.copy
        """Makes a context for one input."""

    def _with_copies(self) -> Context:
        context = self._entered.copy()
        context.run(self._set_copies)
        return context

    def _set_copies(self) -> None:
        for variable, value in self._changeable:
            variable.set(copy.copy(value))


def _is_changed_in_place(value: object) -> bool:
    if isinstance(value, decimal.Context):
        return True
    return isinstance(value, getattr(sys.modules.get("sentry_sdk.scope"), "Scope", ()))
