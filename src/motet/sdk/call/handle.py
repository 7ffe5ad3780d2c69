"""What all handles have in common: they are names of something that is elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self


class Handle:
    """A name: a copy of it is itself, and what it names is not copied."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class NamedAfter(Handle):
    """A handle on a Python function, `raw`, that has its name, documentation and signature for whoever asks."""

    raw: Callable[..., Any] | None

    @property
    def name(self) -> str:
        """As it was declared."""
        raise NotImplementedError

    def _take_documentation(self) -> None:
        if self.raw is not None:
            self.__doc__ = self.raw.__doc__
            self.__module__ = self.raw.__module__

    def __getattr__(self, name: str) -> Any:
        raw = self.__dict__.get("raw")
        if name == "__wrapped__" and raw is not None:
            return raw
        if name == "__signature__" and raw is not None:
            return inspect.signature(raw)
        if name in ("__name__", "__qualname__") and "target" in self.__dict__:
            return getattr(raw, name, self.name.rpartition(".")[2])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
