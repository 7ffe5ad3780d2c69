"""What the tests of adopted processes run: code that leaves some behind beside those whose statuses it wants."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time

import motet

app = motet.App("orphans")


def _children() -> int:
    """This container's children, adopted ones and zombies among them."""
    found = 0
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parent = file.read().rpartition(")")[2].split()[1]
        except OSError:
            continue
        found += int(parent) == os.getpid()
    return found


def _wait_for_children(count: int) -> int:
    deadline = time.monotonic() + 20
    while (found := _children()) != count and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


@app.function(max_containers=1)
def leave_processes() -> tuple[int, list[int]]:
    """How many children there are once the adopted ones are collected, and the statuses of this code's own."""
    late = subprocess.Popen(["sh", "-c", "exit 7"])
    forked = os.fork()
    if forked == 0:
        os._exit(6)
    child = multiprocessing.get_context("fork").Process(target=sys.exit, args=(5,))
    child.start()
    spawned = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 4"], {})
    codes = [subprocess.run(["sh", "-c", f"sleep 0.01 & exit {n}"], check=False).returncode for n in range(4)]
    left = _wait_for_children(4)
    codes += [os.waitstatus_to_exitcode(os.waitpid(spawned, 0)[1])]
    child.join()
    codes += [child.exitcode or 0, os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]), late.wait()]
    return left, codes


@app.function(max_containers=1)
async def block_the_loop_beside_a_process() -> int | None:
    process = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.01 & exit 3")
    left = _wait_for_children(1)
    return await process.wait() if left == 1 else None
