"""Code that goes wrong in every way there is, beside code that must not notice."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import motet
from tests.e2e.programs.gates import stand_async

app = motet.App("failing")


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class NeedsTwo(Exception):
    """Pickles, but does not unpickle."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} and {right}")


class Rude(BaseException):
    """Not an `Exception`."""


class HereOnly:
    """Unpickles in containers only."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_in_container, ()


def _rebuild_in_container() -> HereOnly:
    if motet.is_local():
        raise RuntimeError("not outside of containers")
    return HereOnly()


class Elsewhere:
    """Unpickles outside of containers only."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_outside, ()


def _rebuild_outside() -> Elsewhere:
    if not motet.is_local():
        raise RuntimeError("not in containers")
    return Elsewhere()


def misbehave(how: str) -> Any:
    match how:
        case "well":
            return os.getpid()
        case "return a lock":
            return threading.Lock()
        case "return what does not unpickle":
            return HereOnly()
        case "raise unpicklable":
            raise Unpicklable
        case "raise what does not unpickle":
            raise NeedsTwo(1, 2)
        case "raise BaseException":
            raise Rude("rude caf\udce9")
        case "sys.exit":
            sys.exit(3)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "StopIteration":
            raise StopIteration("stop")
        case "recurse":
            return misbehave(how)
        case "chain":
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise ValueError("outer") from error
    raise AssertionError(how)


@app.function(max_containers=1)
def alone(how: str) -> Any:
    return misbehave(how)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def on_threads(how: str) -> Any:
    return misbehave(how)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def in_tasks(how: str, gate: str = "") -> Any:
    if gate:
        await stand_async(gate, how)
    return misbehave(how) if not gate else os.getpid()


@app.function(max_containers=1)
def size_of(data: bytes) -> int:
    return len(data)


@app.function(max_containers=1)
def sized(n: int) -> bytes:
    return b"x" * n


@app.function(max_containers=1)
def take(value: object) -> str:
    return type(value).__name__


@app.function(max_containers=3)
@motet.concurrent(max_inputs=10)
def die(how: str, gate: str = "") -> int:
    if how == "os._exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        ctypes.string_at(0)  # `os.kill` would leave this thread time to return
    return os.getpid()


@app.function(max_containers=2)
@motet.concurrent(max_inputs=10)
async def survive(gate: str, name: object) -> tuple[object, int]:
    """Held at the gate with the container's pid in its name."""
    await stand_async(gate, f"{name}-{os.getpid()}")
    return name, os.getpid()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def leave_a_task() -> int:
    leave_a_task_running.append(asyncio.create_task(asyncio.sleep(3600)))
    return os.getpid()


leave_a_task_running: list[asyncio.Task[None]] = []


@app.function(max_containers=1)
def leave_processes_and_threads() -> int:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True).pid


@app.cls(max_containers=1)
class EnterFails:
    note: str = motet.parameter()

    @motet.enter()
    def enter(self) -> None:
        with Path(self.note).open("a") as file:
            file.write("x")
        raise RuntimeError("no model to load")

    @motet.method()
    def ask(self) -> int:
        return 1


@app.cls(max_containers=1)
class NotUtf8:
    @motet.enter()
    def enter(self) -> None:
        raise ValueError("caf\udce9")

    @motet.method()
    def get(self) -> int:
        return 1


@app.cls(max_containers=1)
class EnterExits:
    @motet.enter()
    def enter(self) -> None:
        sys.exit("cannot start")

    @motet.method()
    def ask(self) -> int:
        return 1


@app.cls(max_containers=1)
class EnterDies:
    @motet.enter()
    def enter(self) -> None:
        print("last words", file=sys.stderr)
        os._exit(9)

    @motet.method()
    def ask(self) -> int:
        return 1


if motet.is_local():

    @app.function(max_containers=1)
    def missing_in_containers() -> int:
        return 1
