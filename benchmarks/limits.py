"""What the machine can do at best: the same transport with nothing of Motet around it.

`python benchmarks/limits.py NAME [--quick]` measures one limit in a process of its own and prints the number;
`measure` does that. A process of its own, because these fork, and a process with a running server must not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import uvloop

import motet  # noqa: F401 - so that a fork here copies what a fork of the template copies

BATCH = 100
WINDOW = 8
"""Batches under way at once in `frames`."""

_LENGTH_BYTES = 4


class Item(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """As much as an input or an outcome has to say."""

    number: int
    call_id: str
    index: int
    payload: bytes


def _forked(serve: Callable[[socket.socket], None]) -> tuple[socket.socket, int]:
    """A process that serves the other end of a Unix socket until this one is closed."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        here.close()
        try:
            serve(there)
        finally:
            os._exit(0)
    there.close()
    return here, pid


def _echo(sock: socket.socket) -> None:
    while data := sock.recv(4096):
        sock.sendall(data)


def _p50(samples: list[float]) -> float:
    """The median of what was measured once it was warm."""
    return statistics.median(samples[len(samples) // 4 :])


def pingpong(quick: bool) -> float:
    """Microseconds for 64 bytes to another process and back, over a Unix socket with blocking calls."""
    sock, pid = _forked(_echo)
    message, samples = b"x" * 64, []
    for _ in range(200 if quick else 4000):
        started = time.perf_counter()
        sock.sendall(message)
        sock.recv(256)
        samples.append(time.perf_counter() - started)
    sock.close()
    os.waitpid(pid, 0)
    return _p50(samples) * 1e6


def handoff(quick: bool) -> float:
    """Microseconds for an object to another thread of this process and back."""
    there: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    back: queue.SimpleQueue[int] = queue.SimpleQueue()

    def serve() -> None:
        while (item := there.get()) is not None:
            back.put(item)

    thread = threading.Thread(target=serve)
    thread.start()
    samples = []
    for number in range(200 if quick else 4000):
        started = time.perf_counter()
        there.put(number)
        back.get()
        samples.append(time.perf_counter() - started)
    there.put(None)
    thread.join()
    return _p50(samples) * 1e6


def remote(quick: bool) -> float:
    """Microseconds that a blocking call cannot do without: one hand-off and one ping-pong, there and back."""
    return pingpong(quick) + handoff(quick)


def frames(quick: bool) -> float:
    """Items per second, there and back, in batches of 100, each encoded and decoded once per direction."""
    batches = 20 if quick else 1000
    sock, pid = _forked(_serve_batches)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(list[Item]).decode
    items = [Item(i, "fc-" + "0" * 26, i, b"p" * 12) for i in range(BATCH)]
    started = time.perf_counter()
    for number in range(batches + WINDOW):
        if number < batches:
            _send(sock, encode(items))
        if number >= WINDOW:
            decode(_receive(sock))
    seconds = time.perf_counter() - started
    sock.close()
    os.waitpid(pid, 0)
    return batches * BATCH / seconds


def _serve_batches(sock: socket.socket) -> None:
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.msgpack.Decoder(list[Item]).decode
    while body := _receive(sock):
        _send(sock, encode(decode(body)))


def _send(sock: socket.socket, body: bytes) -> None:
    sock.sendall(len(body).to_bytes(_LENGTH_BYTES, "little") + body)


def _receive(sock: socket.socket) -> bytes:
    head = sock.recv(_LENGTH_BYTES, socket.MSG_WAITALL)
    return sock.recv(int.from_bytes(head, "little"), socket.MSG_WAITALL) if head else b""


def sleeps_threads(count: int, seconds: float, at_once: int) -> float:
    """Seconds until `count` sleeps are over on a pool of warm threads."""
    all_there = threading.Barrier(at_once)
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: all_there.wait(), range(at_once)))
        started = time.perf_counter()
        list(pool.map(time.sleep, [seconds] * count))
        return time.perf_counter() - started


def sleeps_async(count: int, seconds: float, at_once: int) -> float:
    """Seconds until `count` sleeps are over as tasks behind a semaphore."""

    async def main() -> float:
        free = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with free:
                await asyncio.sleep(seconds)

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        return time.perf_counter() - started

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def fork(quick: bool) -> float:
    """Milliseconds to fork this warm process, and hear from the child over a socket."""
    samples = []
    for _ in range(3 if quick else 30):
        started = time.perf_counter()
        sock, pid = _forked(lambda there: there.sendall(b"!"))
        sock.recv(1)
        samples.append(time.perf_counter() - started)
        sock.close()
        os.waitpid(pid, 0)
    return _p50(samples) * 1e3


def interpreter(quick: bool) -> float:
    """Milliseconds to start a Python that does nothing: an app needs one, the template, before it can fork."""
    samples = []
    for _ in range(1 if quick else 5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e3


LIMITS: dict[str, Callable[[bool], float]] = {
    "pingpong": pingpong,
    "handoff": handoff,
    "remote": remote,
    "frames": frames,
    "fork": fork,
    "interpreter": interpreter,
    "1000 x 0.1 s, threads": lambda quick: sleeps_threads(*((20, 0.01, 10) if quick else (1000, 0.1, 100))),
    "1000 x 0.1 s, tasks": lambda quick: sleeps_async(*((20, 0.01, 10) if quick else (1000, 0.1, 100))),
    "100 x 1 s, threads": lambda quick: sleeps_threads(*((10, 0.01, 10) if quick else (100, 1.0, 100))),
    "100 x 1 s, tasks": lambda quick: sleeps_async(*((10, 0.01, 10) if quick else (100, 1.0, 100))),
    "200 x 0.5 s, threads": lambda quick: sleeps_threads(*((20, 0.01, 10) if quick else (200, 0.5, 80))),
    "200 x 0.5 s, tasks": lambda quick: sleeps_async(*((20, 0.01, 10) if quick else (200, 0.5, 80))),
}


def measure(name: str, *, quick: bool = False) -> float:
    """One limit, measured now, in a fresh process."""
    command = [sys.executable, __file__, name, *(["--quick"] if quick else [])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=LIMITS)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only to see that it works")
    arguments = parser.parse_args()
    print(LIMITS[arguments.name](arguments.quick))


if __name__ == "__main__":
    main()
