"""What the tests of executing run: every way code can run in a container, telling what it saw there."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import motet
from tests.e2e.programs.gates import stand, stand_async

app = motet.App("executing", secrets=[motet.Secret.from_dict({"APP_SECRET": "s3cret"})])

life = motet.App("life")

seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="fresh")


def where() -> dict[str, Any]:
    """Thread and loop of the code that asks."""
    try:
        loop: int | None = id(asyncio.get_running_loop())
    except RuntimeError:
        loop = None
    thread = threading.current_thread()
    return {
        "pid": os.getpid(),
        "main": thread is threading.main_thread(),
        "thread": thread.name,
        "ident": threading.get_ident(),
        "daemon": thread.daemon,
        "loop": loop,
    }


# --- the dispatch matrix ----------------------------------------------------------------------------------------------


@app.function(max_containers=1)
def sync_alone() -> dict[str, Any]:
    async def inner() -> str:
        await asyncio.sleep(0)
        return "ran"

    fired: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda number, frame: fired.append(number))
    signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, previous)
    return {**where(), "asyncio_run": asyncio.run(inner()), "signals": fired == [signal.SIGALRM]}


@app.function(max_containers=1)
@motet.concurrent(max_inputs=4)
def sync_concurrent(gate: str | None = None, name: object = None) -> dict[str, Any]:
    if gate:
        stand(gate, name)
    return where()


@app.function(max_containers=1)
async def async_alone() -> dict[str, Any]:
    return where()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=4)
async def async_concurrent(gate: str | None = None, name: object = None) -> dict[str, Any]:
    if gate:
        await stand_async(gate, name)
    return where()


@app.cls(max_containers=1)
class Alone:
    """One input at a time, sync and async methods."""

    @motet.enter()
    async def start(self) -> None:
        self.loop = id(asyncio.get_running_loop())

    @motet.method()
    def sync(self) -> dict[str, Any]:
        async def inner() -> str:
            return "ran"

        return {**where(), "asyncio_run": asyncio.run(inner())}

    @motet.method()
    async def async_(self) -> dict[str, Any]:
        return {**where(), "same_loop": self.loop == id(asyncio.get_running_loop())}


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=4)
class Mixed:
    """All its methods may run at once, in one container."""

    @motet.method()
    def sync(self, gate: str) -> dict[str, Any]:
        stand(gate, "sync")
        return where()

    @motet.method()
    async def async_(self, gate: str) -> dict[str, Any]:
        await stand_async(gate, "async")
        return where()

    @motet.method()
    def generate(self, gate: str) -> Iterator[dict[str, Any]]:
        stand(gate, "generate")
        yield where()

    @motet.method()
    async def generate_async(self, gate: str) -> AsyncIterator[dict[str, Any]]:
        await stand_async(gate, "generate_async")
        yield where()


@app.cls(max_containers=1)
class Ticker:
    """Its loop goes on when no input runs: a task writes to a file."""

    directory: str = motet.parameter()

    @motet.enter()
    async def start(self) -> None:
        self.task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            with (Path(self.directory) / "ticks").open("a") as file:
                file.write("x")
            await asyncio.sleep(0.002)

    @motet.method()
    async def touch(self) -> None: ...


# --- the life of a container ------------------------------------------------------------------------------------------


class Base:
    note: str = motet.parameter()

    @motet.enter()
    def base_enter(self) -> None:
        self.story = ["base_enter"]


@life.cls(max_containers=1)
@motet.concurrent(max_inputs=4)
class Life(Base):
    @motet.enter()
    async def enter_async(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.story.append("enter_async")

    @motet.enter()
    def enter_sync(self) -> None:
        self.story.append(f"enter_sync on main: {threading.current_thread() is threading.main_thread()}")

    @motet.method()
    async def tell(self) -> list[str]:
        self.story.append("method on the hooks' loop" if asyncio.get_running_loop() is self.loop else "another loop")
        return self.story

    @motet.exit()
    async def exit_async(self) -> None:
        self.story.append("exit on the hooks' loop" if asyncio.get_running_loop() is self.loop else "another loop")

    @motet.exit()
    def exit_broken(self) -> None:
        raise RuntimeError("this exit hook is broken")

    @motet.exit()
    def exit_sync(self) -> None:
        Path(self.note).write_text("\n".join(self.story))


@app.function(single_use_containers=True)
def once() -> int:
    return os.getpid()


@app.function(max_containers=1)
def stop_after_this() -> int:
    motet.experimental.stop_fetching_inputs()
    return os.getpid()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=7)
def how_many() -> int:
    return motet.experimental.get_local_input_concurrency()


# --- contexts and ids -------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
def remember_alone(value: str) -> str:
    before = seen.get()
    seen.set(value)
    return before


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
def remember_on_threads(value: str) -> str:
    before = seen.get()
    seen.set(value)
    return before


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
async def remember_in_tasks(value: str) -> str:
    before = seen.get()
    seen.set(value)
    return before


Ids = tuple[str | None, str | None, bool]


def ids() -> Ids:
    return motet.current_input_id(), motet.current_function_call_id(), motet.is_local()


def _threads() -> list[Ids]:
    found: list[Ids] = []
    thread = threading.Thread(target=lambda: found.append(ids()))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        found.append(pool.submit(ids).result())
        found.extend(pool.map(lambda _: ids(), [0]))
    return found


class Subclassed(threading.Thread):
    def run(self) -> None:
        self.found = ids()


shared_pool = ThreadPoolExecutor(2)


@app.function(max_containers=1)
def ids_alone() -> list[Ids]:
    return [ids(), *_threads()]


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
def ids_on_threads() -> list[Ids]:
    thread = Subclassed()
    thread.start()
    thread.join()
    return [ids(), *_threads(), thread.found, shared_pool.submit(ids).result()]


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
async def ids_in_tasks() -> list[Ids]:
    loop = asyncio.get_running_loop()

    async def inner() -> Ids:
        await asyncio.sleep(0)
        return ids()

    return [
        ids(),
        await asyncio.create_task(inner()),
        *await asyncio.gather(inner(), inner()),
        await asyncio.to_thread(ids),
        await loop.run_in_executor(None, ids),
        await loop.run_in_executor(shared_pool, ids),
        *await asyncio.to_thread(_threads),
    ]


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
async def remember_ids(_: int) -> Ids:
    await asyncio.sleep(0)
    return ids()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
async def ids_while_streaming(n: int) -> AsyncIterator[Ids]:
    for _ in range(n):
        await asyncio.sleep(0)
        yield ids()


# --- surroundings -----------------------------------------------------------------------------------------------------


@app.function(env={"PLAIN": "1"}, secrets=[motet.Secret.from_dict({"OWN_SECRET": "own"})])
def surroundings() -> dict[str, Any]:
    names = ("APP_SECRET", "OWN_SECRET", "PLAIN", "MOTET_IS_REMOTE", "MOTET_CONTAINER_ID", "PATH")
    return {
        "cwd": os.getcwd(),
        "argv": sys.argv,
        "temporary": tempfile.gettempdir(),
        "env": {name: os.environ.get(name) for name in names},
        "stdin": sys.stdin.read(),
    }


@app.function()
def speak(word: str) -> None:
    print(f"{word} out")
    print(f"{word} err", file=sys.stderr)
    os.write(1, f"{word} raw\nwithout end".encode())


# --- generators -------------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
def produce_alone(note: str, n: int) -> Iterator[int]:
    yield from _producing(note, n)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
def produce_on_threads(note: str, n: int) -> Iterator[int]:
    yield from _producing(note, n)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
async def produce_in_tasks(note: str, n: int) -> AsyncIterator[int]:
    with _noting(note) as file:
        for i in range(n):
            file.write("x")
            file.flush()
            yield i


def _producing(note: str, n: int) -> Iterator[int]:
    with _noting(note) as file:
        for i in range(n):
            file.write("x")
            file.flush()
            yield i


class _noting:  # noqa: N801 - a context manager
    """A file that gets a byte per item made, and a neighbour called "...closed" when the generator has ended."""

    def __init__(self, note: str) -> None:
        self._note = note

    def __enter__(self) -> Any:
        self._file = open(self._note, "a")
        return self._file

    def __exit__(self, *exc: object) -> None:
        self._file.close()
        Path(self._note + "-closed").touch()


@app.function(max_containers=1)
def fail_midway(n: int) -> Iterator[int]:
    yield from range(n)
    raise LookupError(f"after {n}")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
async def fail_midway_async(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i
    raise LookupError(f"after {n}")


@app.function(max_containers=1)
def unmarked_generator() -> Any:
    return (i for i in range(3))


@app.function(max_containers=1)
def yields_unpicklable() -> Iterator[Any]:
    yield 1
    yield threading.Lock()
