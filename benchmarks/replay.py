"""A load in real time on real containers: each input is sent at its moment, however slow those before it are."""

from __future__ import annotations

import asyncio
import csv
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import replayed
from machine import busy

from motet.simulation.timeline import percentile
from motet.simulation.trace_file import parse_trace

TRIES = 5
"""Replays at most, until one is not disturbed."""
Load = tuple[Sequence[float], Sequence[float]]
"""When inputs arrive, and how long each takes alone; seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One container's moments, in seconds."""

    wanted: float
    ready: float | None
    told: float | None
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of a load on real containers. `took`: how long each attempt had its slot, in order of arrival. `late`: how late
    the client sent one input in a hundred. `others`: how many of the machine's processors were busy with something else."""

    latencies: list[float]
    took: list[float]
    lives: list[Life]
    late: float
    others: float

    def numbers(self) -> dict[str, float]:
        """By the names that `motet simulate` has for them."""
        ascending = sorted(self.latencies)
        quantiles = {f"p{part}": percentile(ascending, part / 100) or 0.0 for part in (50, 95, 99)}
        return {
            **quantiles,
            "mean": statistics.fmean(ascending),
            "container_seconds": sum(life.ended - life.wanted for life in self.lives),
            "cold_starts": len(self.lives),
            "peak_containers": _most_at_once(self.lives),
        }


def _most_at_once(lives: Sequence[Life]) -> int:
    changes = sorted([(life.wanted, 1) for life in lives] + [(life.ended, -1) for life in lives])
    count = most = 0
    for _, change in changes:
        count += change
        most = max(most, count)
    return most


async def _send(run: Any, arrivals: Sequence[float], durations: Sequence[float]) -> tuple[list[float], list[float]]:
    """Each input at its moment, however slow the others are: latencies from that moment, and how late each was sent."""
    clock = asyncio.get_running_loop().time
    start = clock() + 0.1
    late: list[float] = []

    async def send_one(moment: float, duration: float) -> float:
        late.append(clock() - moment)
        await run.remote.aio(duration)
        return clock() - moment

    calls = []
    for arrival, duration in zip(arrivals, durations, strict=True):
        await asyncio.sleep(max(0.0, start + arrival - clock()))
        calls.append(asyncio.ensure_future(send_one(start + arrival, duration)))
    return list(await asyncio.gather(*calls)), late


def _wait_until_none(name: str) -> None:
    """The pool is empty again."""
    running = replayed.app.running
    assert running is not None
    while any(function.containers for function in running.view().functions if function.name == name):
        time.sleep(0.2)


def replay(name: str, loads: Sequence[Load]) -> Replay:
    """These loads on that class of `replayed`, each when the pool is empty again, on a server of their own."""
    clock, machine, own = time.monotonic(), busy(), _own()
    latencies: list[float] = []
    late: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        os.environ["MOTET_TRACE"] = directory
        with replayed.app.run():
            replayed.wake.remote()
            run = getattr(replayed, name)().run
            for arrivals, durations in loads:
                measured = asyncio.run(_send(run, arrivals, durations))
                latencies += measured[0]
                late += measured[1]
                _wait_until_none(name)
        lives = _lives(Path(directory, f"{name}.containers.csv"))
        with Path(directory, f"{name}.csv").open() as lines:
            took = list(parse_trace(lines, name).durations or ())
    others = (busy() - machine - (_own() - own)) / (time.monotonic() - clock)
    late_by = percentile(sorted(late), 0.99) or 0.0
    return Replay(latencies=latencies, took=took, lives=lives, late=late_by, others=others)


def _own() -> float:
    """Processor time of this process and of all its descendants that have ended, in seconds."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def quiet_replay(name: str, load: Load, most_others: float) -> Replay:
    """The first of up to `TRIES` replays that others did not disturb, or the one that they disturbed least."""
    replays: list[Replay] = []
    while len(replays) < TRIES and (not replays or replays[-1].others > most_others):
        replays.append(replay(name, [load]))
    return min(replays, key=lambda each: each.others)


def _lives(path: Path) -> list[Life]:
    with path.open() as lines:
        rows = [{what: float(cell) if cell else None for what, cell in row.items()} for row in csv.DictReader(lines)]
    return [Life(**row) for row in rows]  # type: ignore[arg-type]
