"""The torture of `logs.py`: inputs that write in every way there is, each line naming the input and the way it was written."""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import logging
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable

import motet

app = motet.App("logs")
shared_pool = concurrent.futures.ThreadPoolExecutor(16)
log = logging.getLogger("torture")
libc = ctypes.CDLL(None)
PAUSE = 0.002

if not motet.is_local():
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.setLevel(logging.INFO)
    log.propagate = False
    warnings.simplefilter("always")
    warnings.formatwarning = lambda message, *_: f"{message}\n"  # type: ignore[assignment]


def line(way: str, number: int) -> str:
    """What is written: who wrote it (the truth), the way, and which of that way's lines it is."""
    return f"{motet.current_input_id()} {way} {number} {'.' * 30}"


def lines_of(way: str, count: int) -> list[str]:
    return [line(way, number) for number in range(count)]


# --- ways that need no thread or process ------------------------------------------------------------------------------


def by_print(count: int) -> None:
    for text in lines_of("print", count):
        print(text)


def by_stderr(count: int) -> None:
    for text in lines_of("sys.stderr", count):
        sys.stderr.write(text[:20])
        sys.stderr.write(text[20:] + "\n")


def by_writelines(count: int) -> None:
    sys.stdout.writelines(text + "\n" for text in lines_of("writelines", count))


def by_bytes(count: int) -> None:
    for text in lines_of("stdout.buffer", count):
        sys.stdout.buffer.write(text.encode() + b"\n")


def by_logging(count: int) -> None:
    for text in lines_of("logging", count):
        log.info(text)


def by_last_resort(count: int) -> None:
    bare = logging.getLogger("bare")
    bare.propagate = False
    for text in lines_of("logging without handlers", count):
        bare.warning(text)


def by_warning(count: int) -> None:
    for text in lines_of("warnings", count):
        warnings.warn(text, stacklevel=1)


def by_traceback(count: int) -> None:
    for text in lines_of("traceback", count):
        try:
            raise ValueError(f"\n{text}")
        except ValueError:
            sys.stderr.write(traceback.format_exc(limit=0).partition("\n")[2])


PLAIN = [by_print, by_stderr, by_writelines, by_bytes, by_logging, by_last_resort, by_warning, by_traceback]


# --- threads and processes that user code starts ------------------------------------------------------------------------


def in_thread(count: int) -> None:
    texts = lines_of("thread", count)
    thread = threading.Thread(target=lambda: [print(text) for text in texts])
    thread.start()
    thread.join()


def in_threads_at_once(count: int) -> None:
    texts = lines_of("3 threads at once", count)
    threads = [
        threading.Thread(target=lambda part: [print(text) for text in part], args=(texts[n::3],)) for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_shared_pool(count: int) -> None:
    list(shared_pool.map(print, lines_of("shared executor", count)))


def in_own_pool(count: int) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(print, lines_of("executor of its own", count)))


def in_outliving_thread(count: int) -> None:
    texts = lines_of("thread that outlives it", count)

    def later() -> None:
        time.sleep(random.random() * 0.2)
        for text in texts:
            print(text)

    threading.Thread(target=later).start()


def in_thread_that_fails(count: int) -> None:
    for text in lines_of("traceback of a thread", max(1, count // 20)):

        def fail(text: str = text) -> None:
            raise ValueError("\n" + text)

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()


THREADS = [
    in_thread, in_threads_at_once, in_shared_pool, in_own_pool, in_outliving_thread, in_thread_that_fails,
]  # fmt: skip


def _script(way: str, count: int) -> list[str]:
    return ["seq", "-f", line(way, 0).replace(" 0 ", " %.0f ", 1), "0", str(count - 1)]


def in_subprocess(count: int) -> None:
    subprocess.run(_script("subprocess", count), check=True)


def in_subprocess_stderr(count: int) -> None:
    subprocess.run(_script("subprocess to sys.stderr", count), stdout=sys.stderr, check=True)


def in_shell(count: int) -> None:
    os.system(" ".join(f"'{word}'" for word in _script("os.system", count)))


def in_process(count: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=_print_all, args=(lines_of("forked process", count),))
    process.start()
    process.join()


def _print_all(texts: list[str]) -> None:
    for text in texts:
        print(text)


def in_outliving_process(count: int) -> None:
    command = " ".join(f"'{word}'" for word in _script("process that outlives it", count))
    subprocess.Popen(["sh", "-c", f"sleep 0.{random.randrange(3)}; {command}"])


PROCESSES = [in_subprocess, in_subprocess_stderr, in_shell, in_process, in_outliving_process]


# --- past Python ------------------------------------------------------------------------------------------------------


def by_os_write(count: int) -> None:
    for text in lines_of("os.write(1)", count):
        os.write(1, text.encode() + b"\n")


def by_c(count: int) -> None:
    for text in lines_of("printf in C", count):
        libc.printf(b"%s\n", text.encode())


def by_original_stream(count: int) -> None:
    with open(2, "w", buffering=1, closefd=False) as stderr:
        for text in lines_of("a file opened on 2", count):
            print(text, file=stderr)


RAW = [by_os_write, by_c, by_original_stream]


# --- the inputs -------------------------------------------------------------------------------------------------------


def _write(ways: list[Callable[[int], None]], count: int, processes: int, rounds: int) -> None:
    for _ in range(rounds):
        for way in random.sample(ways, len(ways)):
            way(count)
            time.sleep(random.random() * PAUSE)
    for way in random.sample(PROCESSES, len(PROCESSES)) if processes else ():
        way(processes)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
def on_threads(count: int, processes: int, rounds: int = 1) -> None:
    """Sync: up to 100 at once on threads."""
    _write([*PLAIN, *THREADS, *RAW], count, processes, rounds)


@app.function(max_containers=1)
def alone(count: int, processes: int, rounds: int = 1) -> None:
    """Sync: one input at a time, so that also what is written past Python can only be its own."""
    _write([*PLAIN, *RAW], count, processes, rounds)


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def as_tasks(count: int, processes: int, rounds: int = 1) -> None:
    """Async: up to 100 at once as tasks."""
    for _ in range(rounds):
        for way in random.sample([*PLAIN, *RAW], len(PLAIN) + len(RAW)):
            way(count)
            await asyncio.sleep(random.random() * PAUSE)
        await asyncio.gather(_child("child tasks", count), _child("child tasks", count))
        await asyncio.to_thread(_print_all, lines_of("asyncio.to_thread", count))
        await asyncio.get_running_loop().run_in_executor(None, _print_all, lines_of("run_in_executor", count))
        for text in lines_of("call_soon", count):
            asyncio.get_running_loop().call_soon(print, text)
        _outliving.add(asyncio.create_task(_child("task that outlives it", count)))
    if processes:
        process = await asyncio.create_subprocess_exec(*_script("asyncio subprocess", processes))
        await process.wait()


_outliving: set[asyncio.Task[None]] = set()


async def _child(way: str, count: int) -> None:
    for number in range(count):
        print(line(way, number))
        if not number % 10:
            await asyncio.sleep(random.random() * PAUSE)


# --- cost -------------------------------------------------------------------------------------------------------------


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
def cost(count: int, plain: bool) -> tuple[float, float]:
    """Seconds per printed line, and how many of them this thread was on a CPU: through Motet, or as a container without it
    would print (`plain`), to the same pipe."""
    stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False) if plain else sys.stdout  # noqa: SIM115
    text = line("cost", 0)
    began, began_cpu = time.perf_counter(), time.thread_time()
    for _ in range(count):
        print(text, file=stdout)
    return (time.perf_counter() - began) / count, (time.thread_time() - began_cpu) / count


@app.function(max_containers=1)
@motet.concurrent(max_inputs=100)
async def cost_in_tasks(count: int, plain: bool) -> tuple[float, float]:
    """The same in a task."""
    return cost.local(count, plain)


@app.function(max_containers=1, env={"MOTET_LOG_RATE": "200"})
@motet.concurrent(max_inputs=100)
def flood(seconds: float) -> int:
    """Print as fast as possible. Returns how many lines."""
    deadline, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < deadline:
        print(line("flood", count))
        count += 1
    return count


@app.function(max_containers=1)
def odd_bytes() -> None:
    """A line of a million characters, bytes that are no text, characters that no encoding has."""
    print("x" * 1_000_000)
    sys.stdout.buffer.write(bytes(range(256)) + b"\n")
    sys.stdout.buffer.write("é".encode()[:1])
    sys.stdout.buffer.write("é".encode()[1:] + b"\n")
    print("\udcff surrogate \x00 null")
    os.write(1, b"raw \xff\xfe\n")
    os.write(1, b"y" * 1_000_000 + b"\n")
