"""How fast sandboxes are: `python benchmarks/sandboxes.py`.

From `Sandbox.create` until the first output of its command is here, beside the same command as a process of this program, and
beside a bare fork; `exec` in one that runs; output through its stream. Medians, with the fastest and the slowest.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable

import motet

ROUNDS = 40
STREAMED = 64 * 1024 * 1024

app = motet.App("sandboxes")


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def process() -> None:
    subprocess.run(["echo", "hello"], stdout=subprocess.PIPE, check=True)


def create() -> Callable[[], None]:
    """The time is over at the first output: the end of the sandbox comes after that."""
    sandbox = motet.Sandbox.create("sh", "-c", "echo hello; read line", app=app)
    assert next(iter(sandbox.stdout)) == "hello\n"
    return lambda: sandbox.terminate() and None


def timed(what: str, do: Callable[[], Callable[[], object] | None]) -> None:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        after = do()
        took.append(1000 * (time.perf_counter() - began))
        if after is not None:
            after()
    print(f"{what:45} {statistics.median(took):7.1f} ms  ({min(took):.1f} to {max(took):.1f})")


def main() -> None:
    timed("fork of this process, and its end", fork)
    timed("echo as a process of this program", process)
    with app.run():
        create()()  # the template has to start, once
        timed("Sandbox.create to the first output", create)
        with motet.Sandbox.create(app=app) as box:
            timed("exec to the end of its output", lambda: (box.exec("echo", "hello").stdout.read(), None)[1])
            timed("read_text of a small file", lambda: (box.filesystem.read_text("/etc/hostname"), None)[1])
            began = time.perf_counter()
            size = len(box.exec("head", "-c", str(STREAMED), "/dev/zero", text=False).stdout.read())
            print(f"{'output through a stream':45} {size / 2**20 / (time.perf_counter() - began):7.0f} MiB/s")


if __name__ == "__main__":
    main()
