"""`@app.local_entrypoint()`: the function of a program that runs in the client."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class LocalEntrypoint(Generic[P, R]):
    """What `motet run FILE` calls, with the app running. Calling it runs the function `raw` here."""

    def __init__(self, name: str, raw: Callable[P, R]) -> None:
        functools.update_wrapper(self, raw)
        self.name = name
        self.raw = raw
        self.is_async = inspect.iscoroutinefunction(raw)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.raw(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<motet.LocalEntrypoint {self.name}>"
