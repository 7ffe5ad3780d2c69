"""Is a host that is only busy taken for dead? And how soon do inputs run elsewhere when one really is?

    python benchmarks/liveness.py                       # 180 s with eight processes that compute all the time
    python benchmarks/liveness.py --seconds 600 --spinners 16

Three parts, one after the other, on one server that stays:

1. Busy: processes compute all the time beside containers that compute, that hold the GIL for seconds, and that wait. It counts
   how often a container or the host agent was silent for the server, and was lost.
2. Lost: the agent is killed under running inputs. From then until the last of them runs again.
3. Stopped: the agent is stopped for 20 s and goes on. Inputs that ran twice, or ended twice, are a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PROGRAM = """
import asyncio
import json
import os
import time

import motet

app = motet.App("liveness")


def mark(path, *what):
    with open(path, "a") as file:
        file.write(json.dumps([time.time(), *what]) + "\\n")


@app.function(max_containers=2)
@motet.concurrent(max_inputs=4)
def computes(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))


@app.function(max_containers=2)
def holds(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(30_000_000))  # in C, and with the GIL


@app.function(max_containers=4)
@motet.concurrent(max_inputs=8)
async def waits(path, number, seconds):
    mark(path, "begin", number)
    await asyncio.sleep(seconds)
    mark(path, "end", number)


@app.local_entrypoint()
def busy(seconds: float):
    calls = [computes.spawn(seconds) for _ in range(8)] + [holds.spawn(seconds) for _ in range(2)]
    for call in calls:
        call.get()


@app.local_entrypoint()
def waiting(path: str, count: int, seconds: float):
    list(waits.map([path] * count, range(count), [seconds] * count))
"""

SILENT, LOST = "get no new inputs", "is given up"


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory, "home")
        Path(directory, "program.py").write_text(PROGRAM)
        log = Path(directory, "log")
        with open(log, "wb") as out:
            server = subprocess.Popen(
                [sys.executable, "-m", "motet", "server"],
                env={**os.environ, "MOTET_HOME": str(home), "PYTHONUNBUFFERED": "1"},
                stdout=out,
                stderr=out,
            )
        wait(lambda: "Ready" in log.read_text())
        try:
            found = {
                "busy": busy(options, directory, home, log),
                "lost": lost(directory, home),
                "stopped": stopped(directory, home),
            }
        finally:
            server.terminate()
            server.wait(60)
        print(json.dumps(found, indent=2))
        is_right = found["busy"]["silent"] == found["busy"]["lost"] == found["stopped"]["not_once"] == 0
        return 0 if is_right else 1


def wait(condition, seconds: float = 120.0) -> float:  # type: ignore[no-untyped-def]
    """Until it holds; for how long."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError
        time.sleep(0.02)
    return time.monotonic() - began


def program(directory: str, home: Path, entrypoint: str, *options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "motet", "run", "-q", f"program.py::{entrypoint}", *map(str, options)],
        cwd=directory,
        env={**os.environ, "MOTET_HOME": str(home), "MOTET_SERVER": "home"},
    )


def busy(options: argparse.Namespace, directory: str, home: Path, log: Path) -> dict[str, object]:
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.spinners)]
    try:
        status = program(directory, home, "busy", "--seconds", options.seconds).wait(options.seconds + 300)
    finally:
        for each in spinners:
            each.kill()
            each.wait()
    said = log.read_text()
    return {
        "seconds": options.seconds,
        "spinners": options.spinners,
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "silent": said.count(SILENT),
        "lost": said.count(LOST),
        "program": status,
    }


def lost(directory: str, home: Path, count: int = 16) -> dict[str, object]:
    marks = Path(directory, "lost")
    running = program(directory, home, "waiting", "--path", marks, "--count", count, "--seconds", 10)
    wait(lambda: begun(marks) >= count)
    os.kill(agent_of(home), signal.SIGKILL)
    seconds = wait(lambda: begun(marks) >= 2 * count)
    return {"inputs": count, "until_all_run_again": round(seconds, 2), "program": running.wait(120)}


def stopped(directory: str, home: Path, count: int = 16) -> dict[str, object]:
    marks = Path(directory, "stopped")
    running = program(directory, home, "waiting", "--path", marks, "--count", count, "--seconds", 30)
    wait(lambda: begun(marks) >= count)
    agent = agent_of(home)
    os.kill(agent, signal.SIGSTOP)
    time.sleep(20)
    os.kill(agent, signal.SIGCONT)
    status = running.wait(120)
    told = Counter((what, number) for _, what, number in map(json.loads, marks.read_text().splitlines()))
    return {"inputs": count, "not_once": sum(times != 1 for times in told.values()), "program": status}


def begun(marks: Path) -> int:
    return sum(json.loads(line)[1] == "begin" for line in marks.read_text().splitlines()) if marks.exists() else 0


def agent_of(home: Path) -> int:
    """The process that writes its log."""
    log = (home / "server" / "agent.log").stat().st_ino
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            is_agent = b"motet.agent.agent" in Path(f"/proc/{pid}/cmdline").read_bytes()
            if is_agent and os.stat(f"/proc/{pid}/fd/2").st_ino == log:
                return int(pid)
        except OSError:
            continue
    raise RuntimeError("there is no host agent")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="of the first part")
    parser.add_argument("--spinners", type=int, default=8, help="processes that compute all the time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
