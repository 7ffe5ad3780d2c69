"""Old public names: they work and name their successor, or say what to use."""

from __future__ import annotations

from typing import Any

from motet.context.notices import warn_user
from motet.errors import DeprecationError
from motet.sdk.declare.app import App


def Stub(*args: Any, **kwargs: Any) -> App:  # noqa: N802 - it was a class
    """The old name of `motet.App`."""
    warn_user(DeprecationError("`motet.Stub` has been renamed. Use `motet.App` instead."))
    return App(*args, **kwargs)
