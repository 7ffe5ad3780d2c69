"""Old public names: they work and name their successor, or say what to use."""

from __future__ import annotations

from typing import Any, Never

from motet.errors import DeprecationError, UnimplementedError
from motet.sdk.app import App
from motet.sdk.notices import warn_user


def Stub(*args: Any, **kwargs: Any) -> App:  # noqa: N802 - it was a class
    """The old name of `motet.App`."""
    warn_user(DeprecationError("`motet.Stub` has been renamed. Use `motet.App` instead."))
    return App(*args, **kwargs)


def web_endpoint(*args: Any, **kwargs: Any) -> Never:
    """The old name of `motet.fastapi_endpoint`, which comes with the next version."""
    warn_user(DeprecationError("`@motet.web_endpoint` has been renamed to `@motet.fastapi_endpoint`."))
    raise UnimplementedError(
        "Web endpoints come with the next version of Motet. Call the function with `.remote` for now."
    )
