"""What walls cost: `python benchmarks/walls.py [--rounds 30] [--json FILE]`.

How long a container takes from the request to its first line, on each isolation level and beside bubblewrap alone; what a first
call takes; and how many inputs a container does on each level. Rounds alternate, so that what else the machine does is in all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bare_tools import BareBubblewrap, BareFork, bare_program
from machine import description

import motet
from motet.backends.base import Launch
from motet.backends.process import ProcessBackend
from motet.model.isolation import Isolation, Limits, Walls
from motet.model.template import TemplateSpec

LEVELS: tuple[Isolation, ...] = ("process", "bubblewrap")
ROOT = Path(__file__).parents[1]
FEW_OPTIONS = shlex.split(
    "bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 "
    "--proc /proc --dev /dev --unshare-pid --unshare-ipc --unshare-uts"
)
UNTIL_SPARES = 0.4
"""Seconds until a spare stands."""
AFTER = ", right after another"
"""Said of a start that finds no spare."""
ECHO = ["/usr/bin/echo", "up"]
PYTHON = [os.path.realpath(sys.executable), "-I", "-S", "-c", "print('up')"]
BESIDE = {
    "process": "bare fork",
    "process, with limits": "bare fork, with limits",
    "process, as an app's user": "process",
    "bubblewrap": "bare bubblewrap",
    "bubblewrap, with limits": "bare bubblewrap, with limits",
    "bubblewrap, no network": "bare bubblewrap, no network",
}
"""What each kind of start is measured beside."""
INPUTS = 2000

app = motet.App("walls-benchmark")


def _double(x: int) -> int:
    return 2 * x


def _sum_of_squares(x: int) -> int:
    with open(os.devnull, "w") as nowhere:
        for _ in range(20):
            nowhere.write("x")
            nowhere.flush()
    return sum(i * i for i in range(2000))


NOTHING, WORK = {}, {}
for level in LEVELS:
    declare = app.function(name=f"nothing-{level}", isolation=level, serialized=True, max_containers=1)
    NOTHING[level] = declare(motet.concurrent(max_inputs=100)(_double))
    declare = app.function(name=f"work-{level}", isolation=level, serialized=True, max_containers=1)
    WORK[level] = declare(_sum_of_squares)


class FirstLine:
    """`Reports` that notes when each container wrote first, and when it has ended."""

    def __init__(self) -> None:
        self.wrote: dict[str, float] = {}
        self.ended: dict[str, asyncio.Event] = {}

    def container_output(self, container_id: str, stream: str, data: bytes) -> None:
        self.wrote.setdefault(container_id, time.perf_counter())

    def container_ended(self, ended: object) -> None:
        self.ended[ended.container_id].set()  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


async def starts(rounds: int) -> dict[str, list[float]]:
    """Milliseconds to the first line, by kind: of containers, and of bare tools."""
    took: dict[str, list[float]] = {}
    reports = FirstLine()
    uid = 0x78000000 if os.geteuid() == 0 else None
    limits = Limits(memory=2**28, cpu=1.0, pids=1024)
    within = Walls(isolation="bubblewrap", uid=uid)
    kinds = {
        "process": (Walls(), Limits()),
        "process, with limits": (Walls(), limits),
        "bubblewrap": (within, Limits()),
        "bubblewrap, with limits": (within, limits),
        "bubblewrap, no network": (Walls(isolation="bubblewrap", uid=uid, network=False), Limits()),
    }
    if uid is not None:
        kinds["process, as an app's user"] = (Walls(uid=uid), Limits())
    with tempfile.TemporaryDirectory() as scratch, contextlib.closing(BareFork(ROOT)) as fork:
        os.chmod(scratch, 0o755)
        backend = ProcessBackend(
            env={**os.environ, "PYTHONPATH": str(ROOT)}, scratch=Path(scratch), entry="tests.backends.entries:play"
        )
        await backend.open(reports)  # type: ignore[arg-type]
        walls = BareBubblewrap()
        directory = Path(tempfile.mkdtemp(dir=scratch))
        bare: dict[str, Callable[[], float]] = {
            "bare fork": fork.start,
            "bare fork, with limits": partial(fork.start, limits),
            "bare fork, with limits and namespaces": partial(fork.start, limits, "namespaces"),
            "bare bubblewrap": partial(walls.start, ECHO, within, directory),
            "bare bubblewrap, with limits": partial(walls.start, ECHO, within, directory, limits),
            "bare bubblewrap, no network": partial(walls.start, ECHO, kinds["bubblewrap, no network"][0], directory),
            "bare bubblewrap of a Python": partial(walls.start, PYTHON, within, directory),
            "bwrap echo, with few options": partial(bare_program, [*FEW_OPTIONS, *ECHO], dict(os.environ)),
        }
        for number in range(rounds + 1):
            for kind, (around, most) in kinds.items():
                await asyncio.sleep(UNTIL_SPARES)
                for which in (kind, f"{kind}{AFTER}"):
                    milliseconds = await _start(backend, reports, f"{which}-{number}".replace(" ", "-"), around, most)
                    if number:
                        took.setdefault(which, []).append(milliseconds)
            for tool, start in bare.items():
                milliseconds = start()
                if number:
                    took.setdefault(tool, []).append(milliseconds)
        await backend.close()
    return took


async def _start(backend: ProcessBackend, reports: FirstLine, container_id: str, walls: Walls, limits: Limits) -> float:
    launch = Launch(
        container_id=container_id,
        address="unix:/nowhere",
        token="t",
        env={"ACT": json.dumps(["act", [["stdout", "up\n"]], 0]), "PATH": os.environ["PATH"]},
        template=TemplateSpec(walls=walls),
        limits=limits,
    )
    reports.ended[container_id] = asyncio.Event()
    began = time.perf_counter()
    backend.start_nowait(launch)
    await reports.ended[container_id].wait()
    return (reports.wrote[container_id] - began) * 1000


def throughput(rounds: int) -> dict[str, list[float]]:
    """Inputs per second, by kind."""
    found: dict[str, list[float]] = {}
    with app.run():
        for number in range(rounds + 1):
            for what, functions in (("nothing, 100 at once", NOTHING), ("work, one at a time", WORK)):
                for level in LEVELS:
                    began = time.perf_counter()
                    for _ in functions[level].map(range(INPUTS)):
                        pass
                    if number:
                        found.setdefault(f"{what}: {level}", []).append(INPUTS / (time.perf_counter() - began))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--starts", action="store_true", help="leave throughput out")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = {f"{kind}, ms": took for kind, took in asyncio.run(starts(arguments.rounds)).items()}
    if not arguments.starts:
        rows |= {f"{kind}, inputs/s": rate for kind, rate in throughput(max(arguments.rounds // 5, 1)).items()}
    for name, values in rows.items():
        print(f"{name:55} median {statistics.median(values):9.1f}   min {min(values):9.1f}   max {max(values):9.1f}")
    for kind, tool in BESIDE.items():
        if f"{kind}, ms" in rows:
            first, after, bare = (statistics.median(rows[f"{name}, ms"]) for name in (kind, f"{kind}{AFTER}", tool))
            print(f"{kind:30} {first / bare:5.2f} times {tool}; {after / bare:5.2f}{AFTER}")
    print(description())
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    sys.exit(main())
