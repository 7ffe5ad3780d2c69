"""What the tests of preemption and of frozen containers run: inputs at a gate, and hooks that leave notes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import motet
from tests.e2e.programs.gates import stand, stand_async

app = motet.App("leaving")


class Noting:
    """Leaves a note when its container ends in order."""

    notes: str = motet.parameter()

    @motet.exit()
    def note_exit(self) -> None:
        Path(self.notes, f"exited-{os.getpid()}").touch()


@app.cls(max_containers=2)
@motet.concurrent(max_inputs=3)
class InTasks(Noting):
    @motet.method()
    async def hold(self, gate: str, name: int) -> int:
        await stand_async(gate, f"{name}-{os.getpid()}")
        return os.getpid()


@app.cls(max_containers=2)
@motet.concurrent(max_inputs=3)
class OnThreads(Noting):
    @motet.method()
    def hold(self, gate: str, name: int) -> int:
        stand(gate, f"{name}-{os.getpid()}")
        return os.getpid()

    @motet.method()
    def hold_and_be_told(self, gate: str) -> None:
        """SIGTERM comes to this thread, while the main one waits for the next input."""
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        stand(gate, f"0-{os.getpid()}")


@app.cls(max_containers=2)
class Alone(Noting):
    @motet.method()
    def hold(self, gate: str, name: int) -> int:
        stand(gate, f"{name}-{os.getpid()}")
        return os.getpid()


@app.cls(max_containers=1)
class SlowToStart:
    notes: str = motet.parameter()

    @motet.enter()
    def take_long(self) -> None:
        Path(self.notes, f"starting-{os.getpid()}").touch()
        time.sleep(30)

    @motet.method()
    def work(self) -> None: ...


@app.cls(max_containers=1)
class WithHandler:
    notes: str = motet.parameter()

    @motet.enter()
    def handle(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: Path(self.notes, "handled").touch())

    @motet.method()
    def pid(self) -> int:
        return os.getpid()


_pools: list[concurrent.futures.Executor] = []


@app.function(max_containers=1)
def keep_a_pool() -> int:
    """Leave a process pool to the end of the container, as most programs do."""
    _pools.append(concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")))
    return _pools[0].submit(abs, -3).result()


@app.function(max_containers=1)
def end_a_forked_child() -> tuple[int | None, int]:
    """The exit code of a forked process that was told to end, and the container's pid."""
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(20)
    return child.exitcode, os.getpid()


# --- work that is left when the app stops -------------------------------------------------------------------------------

left = motet.App("left")
_kept: list[object] = []


def _note(path: str, what: str) -> None:
    time.sleep(0.05)
    with open(path, "a") as notes:
        notes.write(f"{what}\n")


@left.function()
def leave_to_threads(path: str) -> None:
    threading.Thread(target=_note, args=(path, "thread")).start()
    pool = concurrent.futures.ThreadPoolExecutor(1)
    for _ in range(2):
        pool.submit(_note, path, "pool")


@left.function()
async def leave_to_the_loop(path: str) -> None:
    async def sleep() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.to_thread(_note, path, "task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            _note(path, "generator")

    generator = numbers()
    await anext(generator)
    _kept.extend([generator, asyncio.create_task(sleep())])
    asyncio.get_running_loop().run_in_executor(None, _note, path, "executor")
    await asyncio.sleep(0)


@left.function()
def leave_an_endless_thread() -> None:
    threading.Thread(target=threading.Event().wait, name="endless").start()
