"""Spawning under a key: said twice, it is the same call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from motet.client.dual import Steps, dual
from motet.errors import InvalidError
from motet.sdk.call.function_call import FunctionCall

P = ParamSpec("P")
R = TypeVar("R")

MAX_KEY = 255


class KeyedFunction(Generic[P, R]):
    """What `f.with_key(key)` gives: it spawns, and does nothing else."""

    def __init__(self, spawn: Callable[[str, Any, Any], Steps[FunctionCall[R]]], key: str, name: str) -> None:
        if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY or not key.isprintable():
            long = f", which are {len(key):,}" if isinstance(key, str) and len(key) > MAX_KEY else ""
            raise InvalidError(f"a key is printable text of 1 to {MAX_KEY} characters, not {key!r:.60}{long}")
        self._spawn = spawn
        self._key = key
        self._name = name

    @dual
    def spawn(self, /, *args: P.args, **kwargs: P.kwargs) -> Steps[FunctionCall[R]]:
        """The call of this function that was spawned with this key; if there is none, it is spawned now. Raises
        `AlreadyExistsError` if that one has other arguments."""
        return (yield from self._spawn(self._key, args, kwargs))

    if not TYPE_CHECKING:  # a type checker knows what is there

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise AttributeError(
                f"{self!r} has no {name!r}: a key is for a call that is spawned. Use .spawn(...), and .get() of what it returns"
            )

    def __repr__(self) -> str:
        return f"{self._name}.with_key({self._key!r})"
