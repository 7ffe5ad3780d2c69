"""Inputs that write in ways that are easily taken for another's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import gc
import multiprocessing
import os
import pty
import subprocess
import sys
import threading
import time

import motet

app = motet.App("e2e-logs")
forks = multiprocessing.get_context("fork")
libc = ctypes.CDLL(None)
_processes: list[concurrent.futures.ProcessPoolExecutor] = []

if not motet.is_local():
    print("imported")


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def in_threads(name: str) -> str:
    """Write past Python."""
    os.write(1, f"alone {name}\n".encode())
    libc.printf(b"C %s, unfinished", name.encode())
    return _id()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def beside_others(name: str, count: int, directory: str) -> str:
    """Write past Python while `count` inputs are here."""
    open(os.path.join(directory, name), "w").close()
    while len(os.listdir(directory)) < count:
        time.sleep(0.002)
    os.write(1, f"raw {name}\n".encode())
    print(f"print {name}")
    open(os.path.join(directory, f"{name}-done"), "w").close()
    while sum(it.endswith("-done") for it in os.listdir(directory)) < count:
        time.sleep(0.002)
    return _id()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def leaving_thread(name: str) -> str:
    """Leave a thread that writes past Python after the input's end, and one that prints."""

    def later() -> None:
        for _ in range(20):
            time.sleep(0.01)
            os.write(1, f"raw of {name}\n".encode())
            print(f"print of {name}")

    threading.Thread(target=later).start()
    return _id()


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
def in_processes(name: str) -> str:
    """Write in processes of one's own, and in a pool that all inputs share."""
    if not _processes:
        _processes.append(concurrent.futures.ProcessPoolExecutor(1, mp_context=forks))
    _processes[0].submit(print, f"pool {name}").result()
    subprocess.run(["sh", "-c", f"echo out {name}; echo err {name} >&2"], check=True)
    spawned = os.posix_spawn("/bin/sh", ["sh", "-c", f"echo spawned {name}"], os.environ)
    os.waitpid(spawned, 0)
    assert os.system(f"echo system {name}; exit 3") == 3 << 8
    assert subprocess.run(["echo", name], capture_output=True, text=True, check=True).stdout == f"{name}\n"
    process = forks.Process(target=_write_in_child, args=(name,))
    process.start()
    process.join()
    return _id()


def _write_in_child(name: str) -> None:
    print(f"forked {name}")
    os.write(1, f"forked raw {name}\n".encode())
    subprocess.run(["echo", f"forked subprocess {name}"], check=True)
    print(f"forked unfinished {name}", end="")


@app.function(max_containers=1)
def on_terminal() -> str:
    """A child on a terminal of its own writes there, not to a pipe of its input's."""
    pid, terminal = pty.fork()
    if not pid:
        os.write(1, b"on the terminal")
        os._exit(0)
    text = os.read(terminal, 100).decode()
    os.waitpid(pid, 0)
    return text


@app.function(max_containers=1)
@motet.concurrent(max_inputs=10)
async def unnoticed(name: str) -> str:
    """Leave a failed task to the garbage collector; without a name: collect garbage."""

    async def fail() -> None:
        raise ValueError(name)

    if name:
        cycle: list[object] = [asyncio.create_task(fail())]
        cycle.append(cycle)
        await asyncio.sleep(0)
    else:
        gc.collect()
    return _id()


@app.cls(max_containers=1)
class Busy:
    """Has a thread of its own beside its inputs."""

    @motet.enter()
    def begin(self) -> None:
        print("entering")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while not self._over.wait(0.001):
            print("background")
            os.write(2, b"background past Python\n")

    @motet.method()
    def write(self, name: str) -> str:
        print(f"mine {name}")
        os.write(1, f"raw {name}\n".encode())
        time.sleep(0.05)
        return _id()

    @motet.exit()
    def end(self) -> None:
        self._over.set()
        self._thread.join()
        print("leaving")


@app.function(max_containers=1, env={"MOTET_LOG_RATE": "100"})
@motet.concurrent(max_inputs=2)
def flood(lines: int) -> str:
    for number in range(lines):
        print(f"line {number}")
    return _id()


@app.function(max_containers=1)
def odd() -> str:
    """Bytes that are no text, a line of a million characters, characters that no encoding has."""
    print("x" * 1_000_000)
    sys.stdout.buffer.write(b"\xff\xfe binary\n")
    sys.stdout.buffer.write("é".encode()[:1])
    sys.stdout.buffer.write("é".encode()[1:] + b"\n")
    print("\udcff surrogate")
    os.write(1, b"raw \xff\n")
    return _id()


@app.function(max_containers=1)
def dying() -> None:
    """Print, and be gone at once."""
    for number in range(1_000):
        print(f"line {number}", file=sys.stderr)
    os._exit(3)


@app.function(max_containers=1, env={"MOTET_LOG_RATE": "many"})
def badly_configured() -> None:
    """Cannot start."""


def _id() -> str:
    return motet.current_input_id() or ""
