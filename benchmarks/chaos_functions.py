"""Functions of the chaos run. Each attempt writes down its own beginning and end, whatever happens to it in between."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import motet

app = motet.App("chaos")

MAX_INPUTS = {
    "alone": 1,
    "threads": 8,
    "tasks": 20,
    "Many": 6,
    "batched": 8,
    "items": 4,
    "items_async": 10,
    "outer": 10,
}
"""By function: how many attempts a container may run at once (of the batched one: 4 in each of 2 slots)."""

Given = tuple[str, str]
"""What an input returns: the attempt that made it, and its result."""

_writing = threading.Lock()


def expected(key: str) -> str:
    return f"result of {key}"


@functools.cache
def _log() -> int:
    path = Path(os.environ["MOTET_CHAOS_LOG"]) / f"{os.environ['MOTET_CONTAINER_ID']}.jsonl"
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


@functools.cache
def _me() -> tuple[int, int]:
    return os.getpid(), started(os.getpid())


def started(pid: int) -> int:
    """When a process started, in ticks since the machine did: with its number that names it for good."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def note(what: str, **fields: Any) -> None:
    """One line, in one write: it is there or not, also if the process is killed in the next moment."""
    line = json.dumps({"what": what, "at": time.monotonic(), "process": _me(), **fields})
    os.write(_log(), line.encode() + b"\n")


@contextlib.contextmanager
def attempt(key: str, function: str) -> Iterator[str]:
    name = f"{key}#{uuid.uuid4().hex[:8]}"
    try:
        # Within: a cancellation may come between any two lines, and what is noted as begun must be noted as ended.
        note("began", key=key, attempt=name, function=function)
        yield name
    finally:
        note("ended", attempt=name)


def first_time(key: str) -> bool:
    """True for the first attempt at an input, wherever the second one runs."""
    try:
        os.close(os.open(Path(os.environ["MOTET_CHAOS_LOG"]) / f"{key}.once", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


@app.function(max_containers=3, scaledown_window=10)
def alone(key: str, seconds: float) -> Given:
    with attempt(key, "alone") as name:
        time.sleep(seconds)
        return name, expected(key)


@app.function(max_containers=3, scaledown_window=10, retries=motet.Retries(max_retries=3, initial_delay=0.0))
@motet.concurrent(max_inputs=8)
def threads(key: str, seconds: float) -> Given:
    with attempt(key, "threads") as name:
        time.sleep(seconds)
        if "/fails" in key and first_time(key.replace("/", "-")):
            raise ValueError("the first attempt always fails")
        return name, expected(key)


@app.function(max_containers=3, scaledown_window=10)
@motet.concurrent(max_inputs=20)
async def tasks(key: str, seconds: float) -> Given:
    with attempt(key, "tasks") as name:
        if "/cuts" in key and first_time(key.replace("/", "-")):
            cut_off()
        await asyncio.sleep(seconds)
        return name, expected(key)


@app.cls(max_containers=3, scaledown_window=10)
@motet.concurrent(max_inputs=6)
class Many:
    @motet.enter()
    def begin(self) -> None:
        self.ready = True

    @motet.method()
    def blocking(self, key: str, seconds: float) -> Given:
        with attempt(key, "Many") as name:
            time.sleep(seconds if self.ready else 1e9)
            return name, expected(key)

    @motet.method()
    async def waiting(self, key: str, seconds: float) -> Given:
        with attempt(key, "Many") as name:
            await asyncio.sleep(seconds)
            return name, expected(key)


@app.function(max_containers=2, scaledown_window=10)
@motet.concurrent(max_inputs=2)
@motet.batched(max_batch_size=4, wait_ms=10)
async def batched(key: list[str], seconds: list[float]) -> list[Given]:
    with contextlib.ExitStack() as running:
        names = [running.enter_context(attempt(each, "batched")) for each in key]
        await asyncio.sleep(max(seconds))
        return [(name, expected(each)) for name, each in zip(names, key, strict=True)]


@app.function(max_containers=2, scaledown_window=10)
@motet.concurrent(max_inputs=4)
def items(key: str, seconds: float) -> Iterator[Given]:
    with attempt(key, "items") as name:
        for _ in range(3):
            time.sleep(seconds / 3)
            yield name, expected(key)


@app.function(max_containers=2, scaledown_window=10)
@motet.concurrent(max_inputs=10)
async def items_async(key: str, seconds: float) -> AsyncIterator[Given]:
    with attempt(key, "items_async") as name:
        for _ in range(3):
            await asyncio.sleep(seconds / 3)
            yield name, expected(key)


@app.function(max_containers=2, scaledown_window=10)
@motet.concurrent(max_inputs=10)
async def outer(key: str, seconds: float) -> Given:
    """Calls another function; the result is right if that one's is."""
    with attempt(key, "outer") as name:
        inner = f"{name}/inner"
        _, result = await tasks.remote.aio(inner, seconds)
        return name, expected(key) if result == expected(inner) else f"the inner call gave {result}"


def cut_off() -> None:
    """Shut down every connection of this container to its server: alive, and out of reach."""
    note("fault", kind="cut")
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found = socket.socket(fileno=os.dup(int(name)))
            with found:
                if found.family == socket.AF_UNIX and "motet-server-" in str(found.getpeername()):
                    found.shutdown(socket.SHUT_RDWR)
