"""Two colours from one body: `f.remote(x)` blocks, `await f.remote.aio(x)` awaits.

The body is a generator that yields each `Waiter` it needs and is sent the value: it says what to wait for, the caller's
colour decides how. (The way psycopg shares its protocol code.) No event loop and no thread hop lies between a blocking
caller and the I/O thread, which is what makes a blocking call fast.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from motet.client.gate import here
from motet.client.waiter import Waiter
from motet.errors import AsyncUsageWarning

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")

Steps = Generator[Waiter[Any], Any, R]
"""A body: yields waiters, returns R."""


def run_blocking(steps: Steps[R]) -> R:
    """Carry out a body on this thread. In a container, a cancellation gets into its waits, and nowhere else."""
    gate = here.gate
    if gate is None:
        return _run_blocking(steps, Waiter.wait)
    gate.shield()
    try:
        return _run_blocking(steps, _wait_unshielded)
    finally:
        gate.unshield()


def _run_blocking(steps: Steps[R], wait: Callable[[Waiter[Any]], Any]) -> R:
    try:
        waiter = next(steps)
        while True:
            try:
                value = wait(waiter)
            except BaseException as error:
                waiter = steps.throw(error)
            else:
                waiter = steps.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except RuntimeError as error:
        # The function's own, which a generator may not raise. (Nor may a coroutine: awaiting callers get this.)
        if isinstance(error.__cause__, StopIteration):
            raise error.__cause__ from error.__cause__.__cause__
        raise


def _wait_unshielded(waiter: Waiter[Any]) -> Any:
    gate = here.gate
    assert gate is not None
    try:
        gate.unshield()
        return waiter.wait()
    finally:
        gate.shield()


async def run_async(steps: Steps[R]) -> R:
    """Carry out a body in this task."""
    try:
        waiter = next(steps)
        while True:
            try:
                value = await waiter.wait_async()
            except BaseException as error:
                waiter = steps.throw(error)
            else:
                waiter = steps.send(value)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def warn_if_loop_is_blocked(name: str) -> None:
    """A blocking call on a thread that runs an event loop stops every task there: say so, once per place.

    Not in notebooks, where the loop belongs to the kernel and a blocking call is what the user of a cell expects.
    """
    if asyncio._get_running_loop() is not None and not _in_notebook():
        warnings.warn(
            AsyncUsageWarning(
                f"`{name}(...)` blocks the event loop, and every task on it, until the result is there; "
                f"in async code write `{name}.aio(...)`"
            ),
            stacklevel=3,
        )


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class Dual(Generic[P, R]):
    """A bound method in both colours, from a body of steps."""

    __slots__ = ("_body", "_name")

    def __init__(self, body: Callable[P, Steps[R]], name: str) -> None:
        self._body = body
        self._name = name

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Block until the result is there."""
        warn_if_loop_is_blocked(self._name)
        return run_blocking(self._body(*args, **kwargs))

    def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """The same for async code: await it."""
        return run_async(self._body(*args, **kwargs))

    def __reduce__(self) -> tuple[Any, ...]:
        # `pool.map(f.remote, ...)` in processes: what it is bound to travels, and has the method there.
        if isinstance(self._body, functools.partial):
            return (getattr, (*self._body.args, self._name))
        return (Dual, (self._body, self._name))


class dual(Generic[S, P, R]):  # noqa: N801 - a decorator
    """Method decorator: a body of steps becomes a method that can be called in either colour."""

    def __init__(self, method: Callable[Concatenate[S, P], Steps[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__
        self.__name__ = method.__name__

    @overload
    def __get__(self, instance: None, owner: type[S]) -> dual[S, P, R]: ...
    @overload
    def __get__(self, instance: S, owner: type[S]) -> Dual[P, R]: ...
    def __get__(self, instance: S | None, owner: type[S]) -> dual[S, P, R] | Dual[P, R]:
        if instance is None:
            return self
        return Dual(functools.partial(self._method, instance), self.__name__)


class DualPair(Generic[P, R]):
    """A bound method in both colours, from two bodies: for what loops over user code, which has a colour itself."""

    __slots__ = ("_blocking", "_name", "_waiting")

    def __init__(self, blocking: Callable[P, R], waiting: Callable[P, Coroutine[Any, Any, R]], name: str) -> None:
        self._blocking = blocking
        self._waiting = waiting
        self._name = name

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Block until it is done."""
        warn_if_loop_is_blocked(self._name)
        return self._blocking(*args, **kwargs)

    def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """The same for async code: await it."""
        return self._waiting(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, (self._blocking.__self__, self._name))  # type: ignore[attr-defined]


class AtOnce(Generic[P, R]):
    """A bound method in both colours that never waits, and so is right in event loops, too."""

    __slots__ = ("_method",)

    def __init__(self, method: Callable[P, R]) -> None:
        self._method = method

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """What there is to know."""
        return self._method(*args, **kwargs)

    async def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same for async code: await it."""
        return self._method(*args, **kwargs)


class DualIterator(Generic[P, R]):
    """A bound method that returns an iterator: `for x in f.map(...)`, `async for x in f.map.aio(...)`."""

    __slots__ = ("_blocking", "_name", "_waiting")

    def __init__(self, blocking: Callable[P, Iterator[R]], waiting: Callable[P, AsyncIterator[R]], name: str) -> None:
        self._blocking = blocking
        self._waiting = waiting
        self._name = name

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Iterate on this thread, blocking."""
        warn_if_loop_is_blocked(self._name)
        return self._blocking(*args, **kwargs)

    def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """The same for async code: `async for`."""
        return self._waiting(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return (getattr, (self._blocking.__self__, self._name))  # type: ignore[attr-defined]
