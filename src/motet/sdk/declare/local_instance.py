"""An object of a user's class on this machine: made when first needed, entered before its first `.local()` call."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from motet.client.running_loop import running_loop
from motet.client.waiter import Waiter
from motet.errors import InvalidError
from motet.sdk.declare.user_class import hooks, instantiate

if TYPE_CHECKING:
    import asyncio


class LocalInstance:
    """One object; enter hooks run once, exit hooks never. Threads and tasks may share it: they wait for whoever enters it."""

    def __init__(self, user_cls: type, parameters: Mapping[str, Any]) -> None:
        self._user_cls = user_cls
        self._parameters = parameters
        self._lock = threading.Lock()
        """Held for moments only: no hook runs under it."""
        self._instance: Any = None
        self._entered = False
        self._entering: _Entering | None = None

    def get(self) -> Any:
        """The object, entered or not."""
        with self._lock:
            if self._instance is None:
                self._instance = instantiate(self._user_cls, self._parameters)
            return self._instance

    def method(self, raw: Callable[..., Any]) -> Callable[..., Any]:
        """`raw` bound to the object, as a function that enters it first and is otherwise called like `raw` itself."""
        if inspect.isasyncgenfunction(raw):

            @functools.wraps(raw)
            async def generate(*args: Any, **kwargs: Any) -> Any:
                async for item in raw(await self._entered_async(), *args, **kwargs):
                    yield item

            return generate
        if inspect.iscoroutinefunction(raw):

            @functools.wraps(raw)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                return await raw(await self._entered_async(), *args, **kwargs)

            return run_async

        @functools.wraps(raw)
        def run(*args: Any, **kwargs: Any) -> Any:
            return raw(self._entered_blocking(), *args, **kwargs)

        return run

    def _entered_blocking(self) -> Any:
        while (entering := self._begin()) is not None:
            if entering.is_ours:
                with self._ending(entering):
                    for hook in hooks(self._user_cls, "enter"):
                        result = hook(self._instance)
                        if inspect.isawaitable(result):
                            _run_here(result, hook)
            elif entering.loop is not None and entering.loop is running_loop():
                raise InvalidError(
                    f"`.local()` of a synchronous method of {self._user_cls.__name__} was called in the event loop whose tasks "
                    "still run its asynchronous enter hooks; call an asynchronous method first, and await it"
                )
            else:
                entering.waiter().wait()
        return self._instance

    async def _entered_async(self) -> Any:
        while (entering := self._begin()) is not None:
            if entering.is_ours:
                with self._ending(entering):
                    for hook in hooks(self._user_cls, "enter"):
                        result = hook(self._instance)
                        if inspect.isawaitable(result):
                            await result
            else:
                await entering.waiter().wait_async()
        return self._instance

    def _begin(self) -> _Entering | None:
        """None: it is entered, as far as the caller is concerned, which may be a hook. Else who is at it."""
        self.get()
        with self._lock:
            if self._entered:
                return None
            if self._entering is None:
                self._entering = _Entering()
                return self._entering
            if self._entering.is_ours:
                return None
            return self._entering

    @contextlib.contextmanager
    def _ending(self, entering: _Entering) -> Iterator[None]:
        """At the end it is entered; or it is not, and whoever waited tries."""
        try:
            yield
            self._entered = True
        finally:
            self._entering = None
            entering.over()


class _Entering:
    """One run of the enter hooks, by a thread or by a task."""

    def __init__(self) -> None:
        self.loop = running_loop()
        self._thread = threading.get_ident()
        self._task = _current_task()
        self._is_over = False
        self._waiters: list[Waiter[None]] = []

    @property
    def is_ours(self) -> bool:
        """Whether the caller is what runs them."""
        # A thread that runs them outside of a loop is in them wherever it is, also in a loop that they have made.
        return threading.get_ident() == self._thread and self._task in (None, _current_task())

    def waiter(self) -> Waiter[None]:
        """Set when it is over."""
        waiter: Waiter[None] = Waiter()
        self._waiters.append(waiter)
        if self._is_over:
            waiter.set(None)
        return waiter

    def over(self) -> None:
        self._is_over = True
        for waiter in list(self._waiters):
            waiter.set(None)


def _current_task() -> asyncio.Task[Any] | None:
    if running_loop() is None:
        return None
    import asyncio  # late, here as below: most programs have no loop

    return asyncio.current_task()


def _run_here(awaitable: Any, hook: Callable[..., Any]) -> None:
    if running_loop() is not None:
        awaitable.close()
        raise InvalidError(
            f"the asynchronous enter hook {hook.__qualname__} cannot run for `.local()` of a synchronous method inside a "
            "running event loop; call `.local()` outside of it, or make the method asynchronous"
        )
    import asyncio

    asyncio.run(awaitable)
