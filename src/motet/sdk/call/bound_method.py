"""`self.method` inside a user's class: a plain call on this object, and the function it is for everyone else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar
from weakref import WeakKeyDictionary

from motet.model.function import FunctionVariant, MethodSpec
from motet.sdk.call.function import Function
from motet.sdk.call.target import Target

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class BoundMethod(Function[P, R]):
    """A `@motet.method()` of an object of the user's class: `self.m(x)` and `self.m.local(x)` run here, on this object;
    `self.m.remote(x)` and the like make a call on the class's pool.

    `self.m(x)` may be the innermost loop of somebody's program: what only the other ways need is found out by the first of
    them.
    """

    raw: Callable[P, Any]

    def __init__(self, raw: Callable[P, Any], instance: Any, spec: Callable[[], MethodSpec]) -> None:
        self.raw = raw
        self._instance = instance
        self._spec = spec

    def __getattr__(self, name: str) -> Any:
        if name == "target":
            self.target = _targets[type(self._instance)](self._instance)
            return self.target
        if name == "method":
            self.method = self._spec()
            return self.method
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _varied(self, variant: FunctionVariant) -> Self:
        varied = type(self)(self.raw, self._instance, self._spec)
        varied.target = self.target.varied(variant)
        return varied

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the method here: the result, or the coroutine or generator it makes."""
        return self.raw(*args, **kwargs)


# By class, not on it: what is on a class is pickled with it when it travels by value.
_targets: WeakKeyDictionary[type, Callable[[Any], Target]] = WeakKeyDictionary()


def register(user_cls: type, target_of: Callable[[Any], Target]) -> None:
    """From now on methods of `user_cls`'s objects are functions of the target that `target_of(object)` gives."""
    _targets[user_cls] = target_of


def is_registered(user_cls: type) -> bool:
    """Whether `register` was called for this class in this process."""
    return user_cls in _targets
