"""Inputs to be cancelled: each says when it is under way, and how it ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import motet
from tests.e2e.programs.gates import stand, stand_async

app = motet.App("cancelling")

stopping = motet.App("stopping")

LONG = 60.0


@contextmanager
def telling(directory: str, name: object) -> Iterator[None]:
    """Files in this directory: NAME when it begins, NAME-WHAT when it ends with an exception."""
    try:
        new = Path(directory) / f"{name}.new"
        new.write_text(str(os.getpid()))
        new.rename(Path(directory) / f"{name}")
        yield
    except BaseException as error:
        new = Path(directory) / f"{name}.new"
        new.write_text(str(error))
        new.rename(Path(directory) / f"{name}-{type(error).__name__}")
        raise


def wait(how: str) -> None:
    """Block for long."""
    if how == "sleep":
        time.sleep(LONG)
    elif how == "process":
        subprocess.run([sys.executable, "-c", f"import time; time.sleep({LONG})"], check=True)
    elif how == "loop":
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            pass
    else:
        forever.remote(how, "child")


@app.function(max_containers=1)
def alone(directory: str, name: str, how: str) -> int:
    with telling(directory, name):
        wait(how)
    return os.getpid()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
def on_threads(directory: str, name: str, how: str, gate: str | None = None) -> int:
    with telling(directory, name):
        if gate:
            stand(gate, name)
        else:
            wait(how)
    return os.getpid()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=8)
async def in_tasks(directory: str, name: str, gate: str | None = None) -> int:
    with telling(directory, name):
        if gate:
            await stand_async(gate, name)
        else:
            await asyncio.sleep(LONG)
    return os.getpid()


@app.cls(max_containers=1)
@motet.concurrent(max_inputs=8)
class Both:
    """Sync and async inputs side by side in one container."""

    @motet.method()
    def sync(self, directory: str, name: str, gate: str | None = None) -> int:
        with telling(directory, name):
            if gate:
                stand(gate, name)
            else:
                time.sleep(LONG)
        return os.getpid()

    @motet.method()
    async def in_task(self, directory: str, name: str, gate: str | None = None) -> int:
        with telling(directory, name):
            if gate:
                await stand_async(gate, name)
            else:
                await asyncio.sleep(LONG)
        return os.getpid()


@app.function(max_containers=2)
@motet.concurrent(max_inputs=8)
def forever(directory: str, name: str) -> None:
    with telling(directory, name):
        time.sleep(LONG)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
def shielded(directory: str, name: str) -> None:
    with telling(directory, name), motet.shield_cancellation():
        (Path(directory) / f"{name}-shielded").touch()
        time.sleep(0.2)
        (Path(directory) / f"{name}-written").touch()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
def generate(directory: str, name: str) -> Iterator[int]:
    with telling(directory, name):
        yield os.getpid()
        (Path(directory) / f"{name}-second").touch()
        time.sleep(LONG)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=2)
async def generate_async(directory: str, name: str) -> AsyncIterator[int]:
    with telling(directory, name):
        yield os.getpid()
        (Path(directory) / f"{name}-second").touch()
        await asyncio.sleep(LONG)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=3)
def quick(_: int) -> int:
    return os.getpid()


@stopping.function(max_containers=1)
@motet.concurrent(max_inputs=4)
def still_running(directory: str, name: str) -> None:
    with telling(directory, name):
        time.sleep(LONG)
