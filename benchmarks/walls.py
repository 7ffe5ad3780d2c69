"""What walls cost: `python benchmarks/walls.py [--rounds 30] [--json FILE]`.

How long a container takes from the request to its first line, on each isolation level and beside bubblewrap alone; what a first
call takes; and how many inputs a container does on each level. Rounds alternate, so that what else the machine does is in all.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import description

import motet
from motet.backends.base import Launch
from motet.backends.process import ProcessBackend
from motet.model.isolation import Isolation, Limits, Walls
from motet.model.template import TemplateSpec

LEVELS: tuple[Isolation, ...] = ("process", "bubblewrap")
BARE = "--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev"
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
    """Milliseconds to the first line, by kind."""
    took: dict[str, list[float]] = {}
    reports = FirstLine()
    uid = 0x78000000 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as scratch:
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        backend = ProcessBackend(env=env, scratch=Path(scratch), entry="tests.backends.entries:play")
        await backend.open(reports)  # type: ignore[arg-type]
        kinds = {
            "process": (Walls(), Limits()),
            "process, with limits": (Walls(), Limits(memory=2**28, cpu=1.0)),
            "bubblewrap": (Walls(isolation="bubblewrap", uid=uid), Limits()),
            "bubblewrap, with limits": (
                Walls(isolation="bubblewrap", uid=uid),
                Limits(memory=2**28, cpu=1.0, pids=1024),
            ),
            "bubblewrap, no network": (Walls(isolation="bubblewrap", uid=uid, network=False), Limits()),
        }
        for number in range(rounds + 1):
            for kind, (walls, limits) in kinds.items():
                container_id = f"ta-{number}-{kind}".replace(" ", "").replace(",", "")
                launch = Launch(
                    container_id=container_id,
                    address="unix:/nowhere",
                    token="t",
                    env={"ACT": json.dumps(["act", [["stdout", "up\n"]], 0]), "PATH": os.environ["PATH"]},
                )
                launch = dataclasses.replace(launch, template=TemplateSpec(walls=walls), limits=limits)
                reports.ended[container_id] = asyncio.Event()
                began = time.perf_counter()
                backend.start_nowait(launch)
                await reports.ended[container_id].wait()
                if number:
                    took.setdefault(kind, []).append((reports.wrote[container_id] - began) * 1000)
            began = time.perf_counter()
            command = ["bwrap", *BARE.split(), *("--unshare-pid", "--unshare-ipc", "--unshare-uts"), "echo"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as bare:  # noqa: ASYNC220 - nothing else runs
                assert bare.stdout is not None
                bare.stdout.read(1)
                if number:
                    took.setdefault("bwrap echo, alone", []).append((time.perf_counter() - began) * 1000)
        await backend.close()
    return took


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
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = {f"{kind}, ms": took for kind, took in asyncio.run(starts(arguments.rounds)).items()}
    rows |= {f"{kind}, inputs/s": rate for kind, rate in throughput(max(arguments.rounds // 5, 1)).items()}
    for name, values in rows.items():
        print(f"{name:55} median {statistics.median(values):9.1f}   min {min(values):9.1f}   max {max(values):9.1f}")
    print(description())
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    sys.exit(main())
