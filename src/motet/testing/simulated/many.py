"""Many simulated worlds, for as long as there is time: how much happened in them, and which promises were broken."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from typing import Any

from motet.testing.history import check, report
from motet.testing.simulated.world import history_of

AT_ONCE = 5
"""Worlds that a process makes before it tells of them: when time is over, so many are waited for."""


@dataclass(slots=True)
class WorldsTally:
    """What happened in some worlds. `faults`: how often which kind was tried. `broken`: by seed, the report of each world in
    which a promise was broken."""

    worlds: int = 0
    events: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    promises: Counter[str] = field(default_factory=Counter)
    broken: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, seeds: Iterable[int]) -> WorldsTally:
        """Make the worlds of these seeds, and look at them."""
        tally = cls()
        for seed in seeds:
            world = history_of(seed)
            violations = check(world.events)
            tally.worlds += 1
            tally.events.update(type(event).__name__ for event in world.events)
            tally.faults.update(world.faults)
            tally.promises.update({each.promise for each in violations})
            if violations:
                tally.broken[seed] = report(world.events, violations)
        return tally

    def add(self, other: WorldsTally) -> None:
        """Those worlds, too."""
        self.worlds += other.worlds
        self.events += other.events
        self.faults += other.faults
        self.promises += other.promises
        self.broken |= other.broken

    def table(self) -> str:
        """For a terminal."""
        rows: list[tuple[str, int]] = [
            ("worlds", self.worlds),
            ("inputs", self.events["InputSubmitted"]),
            ("attempts", self.events["AttemptBegan"]),
            ("outcomes read", self.events["OutcomeSeen"]),
            ("pieces of streams read", self.events["ItemsSeen"]),
            ("servers", self.events["ServerBegan"]),
            ("faults", sum(self.faults.values())),
            *((f"  {kind}", times) for kind, times in sorted(self.faults.items())),
            ("worlds in which a promise was broken", len(self.broken)),
            *((f"  {promise}", times) for promise, times in sorted(self.promises.items())),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {number:>9,}" for name, number in rows)

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return {
            "worlds": self.worlds,
            "events": dict(self.events),
            "faults": dict(self.faults),
            "promises_broken": dict(self.promises),
            "seeds_with_a_broken_promise": sorted(self.broken),
        }


def worlds_until(first: int, seconds: float, jobs: int) -> WorldsTally:
    """Make worlds from this seed on, for so long, in so many processes."""
    deadline = time.monotonic() + seconds
    tally = WorldsTally()
    seeds = _parts(first)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        under_way = {pool.submit(WorldsTally.of, next(seeds)) for _ in range(jobs)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                tally.add(each.result())
                if time.monotonic() < deadline:
                    under_way.add(pool.submit(WorldsTally.of, next(seeds)))
    return tally


def _parts(first: int) -> Iterator[range]:
    return (range(place, place + AT_ONCE) for place in count(first, AT_ONCE))
