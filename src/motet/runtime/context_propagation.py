"""Threads that user code starts know which input they work for."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from motet.sdk.context import current


def install() -> None:
    """Make `ThreadPoolExecutor.submit` and `threading.Thread.start` carry the context of an input along.

    asyncio tasks and `asyncio.to_thread` do so by themselves; these two do not (Python 3.14 has a switch for threads).
    Done in containers only, once, before user code is imported. Outside an input nothing changes.
    """
    submit: Any = ThreadPoolExecutor.submit
    start = threading.Thread.start

    @functools.wraps(submit)
    def submit_in_context(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if current.get() is None:
            return submit(self, fn, *args, **kwargs)
        # From an empty context: a worker thread that this starts outlives the input, and is not to be taken for its own.
        return contextvars.Context().run(submit, self, contextvars.copy_context().run, fn, *args, **kwargs)

    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        if current.get() is not None:
            self.run = functools.partial(contextvars.copy_context().run, self.run)  # type: ignore[method-assign]
        start(self)

    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[assignment]
    threading.Thread.start = start_in_context  # type: ignore[method-assign]
