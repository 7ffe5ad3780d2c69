"""What the tests of a container's event loop run: code that leaves, cancels, and opens what must be closed in its task."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import decimal
import os
import signal
import sys
import threading
from asyncio import all_tasks, run_coroutine_threadsafe  # by name, as many programs do
from collections.abc import AsyncIterator
from os import kill
from pathlib import Path

import anyio.to_thread

import motet

app = motet.App("user-loop")
ends = motet.App("ends")

decimal.Decimal(1) / 3  # as modules do when they are imported


class Together:
    """Inputs that go on once all of them are there."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self._all = asyncio.Event()

    async def wait(self, how: str, count: int) -> None:
        self.runs.append(how)
        if len(self.runs) >= count:
            self._all.set()
        await self._all.wait()


# --- what must not end the container ----------------------------------------------------------------------------------

together = Together()


async def _exit() -> None:
    sys.exit(2)


async def _leave(how: str) -> None:
    loop = asyncio.get_running_loop()
    if how == "child":
        await asyncio.gather(_exit())
    elif how == "callback":
        loop.call_soon(sys.exit, 3)
    elif how == "signal":
        kill(os.getpid(), signal.SIGINT)
    elif how == "signal from a thread":
        await asyncio.to_thread(os.kill, os.getpid(), signal.SIGINT)
    elif how == "stop":
        loop.stop()
    elif how == "shut down":
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
async def leave(how: str, count: int) -> tuple[int, list[str]]:
    await together.wait(how, count)
    await _leave(how)
    await asyncio.sleep(0.02)
    await asyncio.to_thread(os.getpid)
    return os.getpid(), together.runs


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
def signal_from_a_thread() -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return os.getpid()


@app.function(max_containers=1)
def leave_an_alarm(raised: type[Exception]) -> int:
    """A handler that raises once the input has ended: its signal comes when nothing of it runs."""

    def ring(number: int, frame: object) -> None:
        raise raised("too late")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    return os.getpid()


@app.function(max_containers=1)
def wait_for_all_threads() -> list[str]:
    """As programs do at their end; and the threads that it found."""
    work = threading.Thread(target=threading.Event().wait, args=(0.01,), name="work")
    work.start()
    found = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    for thread in found:
        thread.join()
    return [thread.name for thread in found]


@app.function(max_containers=1)
def signal_alone(on_itself: bool) -> int:
    if on_itself:
        signal.raise_signal(signal.SIGINT)
    return os.getpid()


# --- tasks ------------------------------------------------------------------------------------------------------------

cancelling = Together()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=4)
async def end_tasks(how: str, count: int) -> list[str]:
    """Cancels all tasks that it sees but its own, or waits for them, as programs do at their end."""
    child = asyncio.create_task(asyncio.sleep(30 if how == "cancel" else 0), name=f"child of {how}")
    await cancelling.wait(how, count)
    others = all_tasks() - {asyncio.current_task()}
    if how == "cancel":
        for task in others:
            task.cancel()
    await asyncio.wait({child, *others}, timeout=20)
    return sorted(task.get_name() for task in others)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=40)
async def in_threads() -> None:
    await asyncio.to_thread(_forty.wait, 20)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=50)
async def in_anyios_threads() -> None:
    await anyio.to_thread.run_sync(_fifty.wait, 20)


_forty, _fifty = threading.Barrier(40), threading.Barrier(50)


# --- hooks ------------------------------------------------------------------------------------------------------------

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


@contextlib.asynccontextmanager
async def _anyio_client() -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1000)
        yield
        group.cancel_scope.cancel()


@ends.cls(max_containers=1)
@motet.concurrent(max_inputs=2)
class Hooked:
    path: str = motet.parameter(default="")

    @motet.enter()
    async def open(self) -> None:
        self.token = tenant.set("ada")
        self.stack = contextlib.AsyncExitStack()
        await self.stack.enter_async_context(_anyio_client())

    @motet.method()
    async def on_loop(self) -> str:
        return tenant.get()

    @motet.method()
    def on_thread(self) -> str:
        return tenant.get()

    @motet.exit()
    async def close(self) -> None:
        await self.stack.aclose()
        tenant.reset(self.token)
        Path(self.path).write_text(tenant.get())  # noqa: ASYNC240


@app.cls(max_containers=1)
class Failing:
    """Has a task group over its life, one of whose tasks fails when it is told to."""

    @motet.enter()
    async def open(self) -> None:
        self.fail = asyncio.Event()
        self.group = asyncio.TaskGroup()
        await self.group.__aenter__()
        self.group.create_task(self._work())

    async def _work(self) -> None:
        await self.fail.wait()
        raise ConnectionError("the service is gone")

    @motet.method()
    async def ask(self, fail: bool) -> int:
        if fail:
            self.fail.set()
            await asyncio.sleep(0.01)
        return os.getpid()


# --- contexts ---------------------------------------------------------------------------------------------------------


def _digits(precision: int | None) -> int:
    if precision is not None:
        decimal.getcontext().prec = precision
    return len(str(decimal.Decimal(1) / 3)) - 2


@app.function(max_containers=1)
def digits_alone(precision: int | None) -> int:
    return _digits(precision)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
def digits_on_threads(precision: int | None) -> int:
    return _digits(precision)


@app.function(max_containers=1)
async def digits_in_tasks(precision: int | None) -> int:
    return _digits(precision)


@app.cls(max_containers=1)
class Precise:
    @motet.enter()
    def set(self) -> None:
        decimal.getcontext().prec = 50

    @motet.method()
    def digits(self, precision: int | None) -> int:
        return _digits(precision)


# --- the loop while a sync input has the main thread ------------------------------------------------------------------


@app.cls(max_containers=1)
class Paused:
    @motet.enter()
    async def open(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def _double(self, number: int) -> int:
        await asyncio.sleep(0.001)
        return 2 * number

    async def _never(self, note: str) -> None:
        Path(note).touch()  # noqa: ASYNC240
        await asyncio.sleep(3600)

    @motet.method()
    def ask_the_loop(self, number: int) -> int:
        return run_coroutine_threadsafe(self._double(number), self.loop).result()

    @motet.method()
    def ask_in_vain(self, timeout: float | None, note: str) -> None:
        asyncio.run_coroutine_threadsafe(self._never(note), self.loop).result(timeout)
