"""`motet.functions`: handles on functions and calls, and the old `gather`."""

from __future__ import annotations

from typing import Any

from motet.context.notices import warn_user
from motet.errors import DeprecationError
from motet.sdk.call.current_stats import FunctionStats
from motet.sdk.call.function import Function
from motet.sdk.call.function_call import FunctionCall

__all__ = ["Function", "FunctionCall", "FunctionStats", "gather"]


def gather(*function_calls: FunctionCall[Any]) -> list[Any]:
    """The old name of `motet.FunctionCall.gather`."""
    warn_user(DeprecationError("`motet.functions.gather` has been renamed to `motet.FunctionCall.gather`."))
    results: list[Any] = FunctionCall.gather(*function_calls)
    return results
