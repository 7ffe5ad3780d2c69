"""Threads that user code starts know which input they work for."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from motet.context.current_input import CurrentInput, current
from motet.runtime.cpython.tasks import context_of
from motet.runtime.cpython.threads import carry_excepthook, is_pools_thread

_OWN_THREADS = frozenset({"motet-control", "motet-client", "motet-orphans", "motet-sleeper"})


class Work(Protocol):
    """Is told of the threads, and the work of thread pools, that begin and end; `owner` is theirs, as it made it."""

    def begun(self, running: CurrentInput | None) -> Any:
        """Returns the owner."""

    def over(self, owner: Any) -> None: ...


class _Nobody:
    """Wants to know nothing."""

    def begun(self, running: CurrentInput | None) -> Any:
        return None

    def over(self, owner: Any) -> None:
        pass


def install(work: Work | None = None) -> None:
    """Make `ThreadPoolExecutor.submit` and `threading.Thread.start` carry the context of an input along.

    asyncio tasks and `asyncio.to_thread` do so by themselves; these two do not (Python 3.14 has a switch for threads).
    Done in containers only, once, before user code is imported. Outside an input nothing changes, but that `work` is told.
    """
    told: Work = work or _Nobody()
    _carry_into_executors(told)
    _carry_into_threads(told)
    _carry_into_bare_threads(told)


def _carry_into_executors(work: Work) -> None:
    submit: Any = ThreadPoolExecutor.submit

    @functools.wraps(submit)
    def submit_in_context(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        running = current.get()
        owner = work.begun(running)
        try:
            if running is None:
                future: Future[Any] = submit(self, fn, *args, **kwargs)
            else:
                # From an empty context: a worker thread that this starts outlives the input, and is not to be taken for
                # its own.
                run = contextvars.copy_context().run
                future = contextvars.Context().run(submit, self, run, fn, *args, **kwargs)
        except BaseException:
            work.over(owner)
            raise
        future.add_done_callback(lambda _: work.over(owner))
        return future

    ThreadPoolExecutor.submit = submit_in_context  # type: ignore[assignment]


def _carry_into_threads(work: Work) -> None:
    start = threading.Thread.start

    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        if is_pools_thread(self) or self.name in _OWN_THREADS:
            start(self)
            return
        running = current.get()
        owner = work.begun(running)
        self.run = functools.partial(_run_told, self.run, work, owner)  # type: ignore[method-assign]
        if running is not None:
            context = contextvars.copy_context()
            self.run = functools.partial(context.run, self.run)  # type: ignore[method-assign]
            # It reports what `run` raises, and is called when that has returned.
            carry_excepthook(self, lambda hook: functools.partial(context.run, hook))
        try:
            start(self)
        except BaseException:
            work.over(owner)
            raise

    threading.Thread.start = start_in_context  # type: ignore[method-assign]


def _carry_into_bare_threads(work: Work) -> None:
    start_new_thread: Any = _thread.start_new_thread

    @functools.wraps(start_new_thread)
    def start_new_thread_in_context(function: Callable[..., Any], /, *args: Any) -> int:
        running = current.get()
        if running is None:
            return start_new_thread(function, *args)  # type: ignore[no-any-return]
        owner = work.begun(running)
        run = functools.partial(_run_told, function, work, owner)
        return start_new_thread(functools.partial(contextvars.copy_context().run, run), *args)  # type: ignore[no-any-return]

    # `threading` has its own reference to the original.
    _thread.start_new_thread = _thread.start_new = start_new_thread_in_context


def _run_told(run: Callable[..., Any], work: Work, owner: Any, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return run(*args, **kwargs)
    finally:
        work.over(owner)


def report_in_context(loop: asyncio.AbstractEventLoop, report: dict[str, Any]) -> None:
    """An exception handler for a loop: reports what a task left unnoticed as the input's that made the task.

    asyncio finds out when the task is collected as garbage, which may be in any other's code.
    """
    task = report.get("task") or report.get("future")
    context = context_of(task) if isinstance(task, asyncio.Task) else None
    running = context.get(current) if context is not None else None
    token = current.set(running if isinstance(running, CurrentInput) else None)
    try:
        loop.default_exception_handler(report)
    finally:
        current.reset(token)
