"""The one event loop of a container's async code, and the one task of ours on it: from the first hook to the last."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from motet.runtime.attempts.outcomes import tell_of_stray
from motet.runtime.attribution.context_propagation import report_in_context
from motet.runtime.cpython.tasks import stopped_before_done
from motet.runtime.processes import forked_child

_THREADS = min(32, (os.cpu_count() or 1) + 4)
"""What asyncio's own default executor has: for what libraries do in it, beside the inputs' `asyncio.to_thread`."""


class Job:
    """Something awaitable that the loop's main task sees through."""

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self.awaitable = awaitable
        self.is_done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def result(self) -> Any:
        """What it gave. Raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.value


class UserLoop:
    """Runs hooks, and serving between them, in one task: what an enter hook opens there, an exit hook can close.

    Task groups and cancel scopes have to be left in the task that entered them; context variables can be reset in the
    context that set them. The task is the one that the loop runs until, like that of `asyncio.run`. Other tasks, and
    callbacks, do not end it: what `sys.exit` raises in one of them is told, and the loop goes on. For the main thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, context: contextvars.Context, max_inputs: int) -> None:
        self.loop = loop
        self.on_cancelled: Callable[[], None] = lambda: None
        """Called once when something cancels the main task, as a task group does whose other task has failed."""
        self._max_inputs = max_inputs
        self._closing = False
        self._cancelled = False
        self._jobs: deque[Job] = deque()
        self._asked = asyncio.Event()
        loop.set_exception_handler(report_in_context)
        threads = ThreadPoolExecutor(_THREADS + max_inputs, thread_name_prefix="asyncio")
        loop.set_default_executor(threads)
        self.shutdown_asyncgens = loop.shutdown_asyncgens
        # Programs do these at their end, for which an input may take its own: others go on with the loop.
        for name in ("shutdown_asyncgens", "shutdown_default_executor"):
            setattr(loop, name, _nothing)
        self.main: asyncio.Task[None] = asyncio.Task(self._work(), loop=loop, name="motet-main", context=context)

    def run(self, awaitable: Awaitable[Any]) -> Any:
        """Await this in the main task. Returns what it gives, raises what it raises."""
        job = self.begin(awaitable)
        while not job.is_done:
            self.turn()
        return job.result()

    def begin(self, awaitable: Awaitable[Any]) -> Job:
        """Have the main task await this while `turn` runs it, after what was begun before."""
        job = Job(awaitable)
        self._jobs.append(job)
        self._asked.set()
        return job

    def turn(self) -> None:
        """Run the loop until a job is done, or until somebody stops the loop."""
        self._run_until(self.main)

    def _run_until(self, task: asyncio.Task[None]) -> None:
        try:
            self.loop.run_until_complete(task)
        except BaseException as error:
            if task.done() or self.loop.is_closed() or self.loop.is_running():
                raise
            # asyncio lets SystemExit and KeyboardInterrupt through; the task has them too, and whoever awaits it. Handlers of
            # signals may raise anything.
            if not stopped_before_done(error):
                tell_of_stray(error, "a task or a callback of this container's event loop, or a handler of a signal")

    async def serve(self, stopped: asyncio.Event) -> None:
        """Let other tasks run until then."""
        allow_threads(self._max_inputs)
        await self.until(stopped)

    async def until(self, event: asyncio.Event) -> None:
        """Wait for it, also when this task is cancelled: it is not the user's code that is asked to end."""
        while not event.is_set():
            try:
                await event.wait()
            except asyncio.CancelledError:
                if not self._cancelled:
                    self._cancelled = True
                    self.on_cancelled()

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """End the main task, and with it what was to last as long as that, such as anyio's threads; then see `last` through."""
        self._closing = True
        self._asked.set()
        while not self.main.done():
            self.turn()
        # In a task of its own: whatever was opened in the main task and never closed may go on cancelling that.
        ending = asyncio.Task(last, loop=self.loop, name="motet-ending")
        while not ending.done():
            self._run_until(ending)

    async def _work(self) -> None:
        while not self._closing:
            await self.until(self._asked)
            self._asked.clear()
            while self._jobs:
                job = self._jobs.popleft()
                try:
                    job.value = await job.awaitable
                except BaseException as error:
                    job.error = error
                forked_child.leave(job.error)
                # Before the loop stops, after which `run` looks at it.
                job.is_done = True
                self.loop.stop()


async def _nothing(*_: object, **_named: object) -> None:
    """In place of what the container does when it ends."""


def allow_threads(max_inputs: int) -> None:
    """Let as many inputs be in anyio's threads as there may be, where it is in use. On the loop that this is for."""
    if "anyio" in sys.modules:
        import anyio.to_thread

        limiter = anyio.to_thread.current_default_thread_limiter()
        # Never fewer: the program may have set more.
        limiter.total_tokens = max(limiter.total_tokens, max_inputs)
