"""An object of a user's class on this machine: made when first needed, entered before its first `.local()` call."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

from motet.errors import InvalidError
from motet.sdk.user_class import hooks, instantiate


class LocalInstance:
    """One object; enter hooks run once, exit hooks never. Threads may share it."""

    def __init__(self, user_cls: type, parameters: Mapping[str, Any]) -> None:
        self._user_cls = user_cls
        self._parameters = parameters
        self._lock = threading.RLock()
        self._async_lock = asyncio.Lock()
        self._instance: Any = None
        self._entered = False

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
        with self._lock:
            instance = self.get()
            if not self._entered:
                for hook in hooks(self._user_cls, "enter"):
                    result = hook(instance)
                    if inspect.isawaitable(result):
                        _run_here(result, hook)
                self._entered = True
            return instance

    async def _entered_async(self) -> Any:
        async with self._async_lock:
            instance = self.get()
            if not self._entered:
                for hook in hooks(self._user_cls, "enter"):
                    result = hook(instance)
                    if inspect.isawaitable(result):
                        await result
                self._entered = True
            return instance


def _run_here(awaitable: Any, hook: Callable[..., Any]) -> None:
    if asyncio._get_running_loop() is not None:
        awaitable.close()
        raise InvalidError(
            f"the asynchronous enter hook {hook.__qualname__} cannot run for `.local()` of a synchronous method inside a "
            "running event loop; call `.local()` outside of it, or make the method asynchronous"
        )
    asyncio.run(awaitable)
