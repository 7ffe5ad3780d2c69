"""A program that is stopped with SIGSTOP, alone or with all of its containers, and goes on after a while.

Arguments: "alone" or "all", and how many seconds it stands still.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import motet

app = motet.App("standing-still")


@app.function(timeout=2, startup_timeout=60, max_containers=1)
@motet.concurrent(max_inputs=2)
async def counts(ticks: int) -> int:
    """Time that passes only while it runs."""
    for _ in range(ticks):
        await asyncio.sleep(0.1)
    return ticks


@app.function(timeout=2, startup_timeout=60, max_containers=1)
def pid() -> int:
    time.sleep(0.01)
    return os.getpid()


def family(root: int) -> list[int]:
    """This process and all below it."""
    children: dict[int, list[int]] = {}
    for line in subprocess.check_output(["ps", "-eo", "pid=,ppid="], text=True).splitlines():
        process, parent = map(int, line.split())
        children.setdefault(parent, []).append(process)
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


if __name__ == "__main__":
    who, seconds = sys.argv[1], float(sys.argv[2])
    with app.run():
        counts.remote(0)
        pid.remote()
        calls = [counts.spawn(10) for _ in range(2)]
        processes = [os.getpid()] if who == "alone" else family(os.getpid())
        ids = " ".join(map(str, processes))
        script = f"kill -STOP {ids}; sleep {seconds}; kill -CONT {ids}"
        subprocess.Popen(["sh", "-c", script], start_new_session=True, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(0.05)
        for call in calls:
            print(call.get())
