"""Two colours from one body: `f.remote(x)` blocks, `await f.remote.aio(x)` awaits.

The body is a generator that yields each `Waiter` it needs and is sent the value: it says what to wait for, the caller's
colour decides how. (The way psycopg shares its protocol code.) A body that yields `HandOut` on its way becomes an iterator.
No event loop and no thread hop lies between a blocking caller and the I/O thread, which is what makes a blocking call fast.
"""

from __future__ import annotations

import functools
import operator
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from motet.client.gate import here
from motet.client.running_loop import running_loop
from motet.errors import AsyncUsageWarning

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")

B = TypeVar("B")
W = TypeVar("W")


class Wait(Protocol):
    """What a body yields to wait for: a `Waiter`, or anything else that can be waited for in both colours."""

    def wait(self) -> Any: ...

    async def wait_async(self) -> Any: ...


class HandOut(Generic[R]):
    """What a body yields to hand out items: it goes on when the consumer has taken all of them. They may be lazy."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[R]) -> None:
        self.items = items


Steps = Generator[Wait, Any, R]
"""A body: yields what it waits for, returns R."""
ItemSteps = Generator[Wait | HandOut[R], Any, None]
"""A body that hands out items on its way."""

_wait: Callable[[Any], Any] = operator.methodcaller("wait")


def run_blocking(steps: Steps[R]) -> R:
    """Carry out a body on this thread. In a container, a cancellation gets into its waits, and nowhere else."""
    gate = here.gate
    if gate is None:
        return _run_blocking(steps, _wait)  # type: ignore[no-any-return]
    gate.shield()
    try:
        return _run_blocking(steps, _wait_unshielded)  # type: ignore[no-any-return]
    finally:
        gate.unshield()


def iterate(steps: ItemSteps[R]) -> Iterator[R]:
    """Carry out a body that hands out items, on this thread. While the consumer has them, a cancellation may come."""
    body: Generator[Any, Any, Any] = steps
    try:
        while (handed_out := run_blocking(body)) is not None:
            yield from handed_out.items
    finally:
        body.close()


def _run_blocking(steps: Generator[Any, Any, Any], wait: Callable[[Wait], Any]) -> Any:
    """To its end, which gives the result, or to the next items that it hands out."""
    try:
        step = next(steps)
        while not isinstance(step, HandOut):
            try:
                value = wait(step)
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
        return step
    except StopIteration as stop:
        return stop.value
    except RuntimeError as error:
        # The function's own, which a generator may not raise. (Nor may a coroutine: awaiting callers get this.)
        if isinstance(error.__cause__, StopIteration):
            raise error.__cause__ from error.__cause__.__cause__
        raise


def _wait_unshielded(waiter: Wait) -> Any:
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
        step: Any = next(steps)
        while not isinstance(step, HandOut):
            try:
                value = await step.wait_async()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
        return step  # type: ignore[return-value]
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def iterate_async(steps: ItemSteps[R]) -> AsyncIterator[R]:
    """Carry out a body that hands out items, in this task."""
    body: Generator[Any, Any, Any] = steps
    try:
        while (handed_out := await run_async(body)) is not None:
            for item in handed_out.items:
                yield item
    finally:
        body.close()


def warn_if_loop_is_blocked(name: str) -> None:
    """A blocking call on a thread that runs an event loop stops every task there: say so, once per place.

    Not in notebooks, where the loop belongs to the kernel and a blocking call is what the user of a cell expects.
    """
    if running_loop() is not None and not _in_notebook():
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
        return _of_its_owner(self._body, self._name) or (Dual, (self._body, self._name))


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


class DualIterator(Generic[P, R]):
    """A bound method in both colours that returns an iterator, from a body that hands out items."""

    __slots__ = ("_body", "_name")

    def __init__(self, body: Callable[P, ItemSteps[R]], name: str) -> None:
        self._body = body
        self._name = name

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        """Iterate on this thread, blocking."""
        warn_if_loop_is_blocked(self._name)
        return iterate(self._body(*args, **kwargs))

    def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """The same for async code: `async for`."""
        return iterate_async(self._body(*args, **kwargs))

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_its_owner(self._body, self._name) or (DualIterator, (self._body, self._name))


class dual_items(Generic[S, P, R]):  # noqa: N801 - a decorator
    """Method decorator: a body that hands out items becomes a method that can be iterated over in either colour."""

    def __init__(self, method: Callable[Concatenate[S, P], ItemSteps[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__
        self.__name__ = method.__name__

    @overload
    def __get__(self, instance: None, owner: type[S]) -> dual_items[S, P, R]: ...
    @overload
    def __get__(self, instance: S, owner: type[S]) -> DualIterator[P, R]: ...
    def __get__(self, instance: S | None, owner: type[S]) -> dual_items[S, P, R] | DualIterator[P, R]:
        if instance is None:
            return self
        return DualIterator(functools.partial(self._method, instance), self.__name__)


def _of_its_owner(body: Callable[..., Any], name: str) -> tuple[Any, ...] | None:
    """`pool.map(f.remote, ...)` in processes: what a method is bound to travels, and has the method there."""
    return (getattr, (*body.args, name)) if isinstance(body, functools.partial) else None


class DualPair(Generic[P, B, W]):
    """A bound method in both colours, from two functions: for what pulls on user code, which has a colour itself."""

    __slots__ = ("_blocking", "_name", "_waiting")

    def __init__(self, blocking: Callable[P, B], waiting: Callable[P, W], name: str) -> None:
        self._blocking = blocking
        self._waiting = waiting
        self._name = name

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> B:
        """Block until it is done, or iterate on this thread."""
        warn_if_loop_is_blocked(self._name)
        return self._blocking(*args, **kwargs)

    def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> W:
        """The same for async code: await it, or `async for`."""
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
