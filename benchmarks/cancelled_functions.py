"""What `cancellation.py` cancels, and the neighbours it must not harm. Containers import this module."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import motet

app = motet.App("cancellation-benchmark")
LONG = 120.0


@contextlib.contextmanager
def _stamped(directory: str, name: str) -> Iterator[None]:
    """Say that it is under way; when it is interrupted, when that was. The monotonic clock is the same in all processes."""
    try:
        (Path(directory) / name).touch()
        yield
    except BaseException:
        stamp = time.monotonic()
        new = Path(directory) / f"{name}.new"
        new.write_text(repr(stamp))
        new.rename(Path(directory) / f"{name}.hit")
        raise


def _receive() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def _loop() -> None:
    while True:
        pass


def _c_calls() -> None:
    numbers = range(100_000, 0, -1)
    while True:
        sorted(numbers, key=str)


WAYS: dict[str, Callable[[], object]] = {
    "python loop": _loop,
    "time.sleep": lambda: time.sleep(LONG),
    "socket.recv": _receive,
    "queue.get": lambda: queue.Queue[int]().get(),
    "subprocess.run": lambda: subprocess.run(["sleep", str(LONG)], check=True),
    "C calls with the GIL": _c_calls,
}


@app.function(max_containers=1)
def alone(directory: str, name: str, way: str) -> None:
    """Sync, one at a time: on the main thread."""
    with _stamped(directory, name):
        WAYS[way]()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=16)
def on_threads(directory: str, name: str, way: str) -> int:
    """Sync, beside others. A way that is none: a neighbour, which goes on until the file of this name is there."""
    if way in WAYS:
        with _stamped(directory, name):
            WAYS[way]()
    while not os.path.exists(way):
        time.sleep(0.01)
    return os.getpid()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=16)
async def in_tasks(directory: str, name: str, way: str) -> int:
    """The same, async."""
    if way == "await":
        with _stamped(directory, name):
            await asyncio.sleep(LONG)
    while not os.path.exists(way):  # noqa: ASYNC110, ASYNC240 - whoever makes the file is another process
        await asyncio.sleep(0.01)
    return os.getpid()
