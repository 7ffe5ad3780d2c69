"""`python benchmarks/autoscaling.py [--held-out N] [--seeds 5] [--processes 2] [--json FILE] [--chart FILE]`: the policies
side by side.

Every policy meets the same loads in `motet simulate`'s engine: the built-in ones, or with `--held-out` N others that no
constant was chosen by. See README.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from held_out import held_out
from measured import markdown
from panels import Panel, picture

from motet.core.policies import POLICIES
from motet.simulation.distribution import Distribution
from motet.simulation.scenario import Scenario, settings_for
from motet.simulation.simulator import simulate
from motet.simulation.trace import make_trace

OWN = "motet"
PEERS = [name for name in POLICIES if name != OWN]
LOADS = {
    "steady": (100, 200),
    "poisson": (100, 200),
    "square-wave": (60, 600),
    "ramp": (600, 120),
    "diurnal": (50, 1200),
    "flash-crowd": (300, 300),
    "heavy-tailed": (30, 600),
    "on-off": (60, 900),
}
"""Rates and lengths at which five seeds take minutes, and not an hour."""
NUMBERS = ("p50", "p95", "p99", "container_seconds", "cold_starts", "peak_containers", "errors")
HEADINGS = [
    "load",
    "policy",
    "p50",
    "p95",
    "p99",
    "container-s",
    "starts",
    "peak",
    "cost for this p99",
    "p99 for this cost",
]
WITHIN = 1.01
"""Numbers closer than this are called equal: both policies are where nothing waits."""
BUFFERS = (0, 1, 3, 8)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One simulation: a built-in load with a seed, or a held-out one by its number."""

    policy: str
    load: str = ""
    seed: int = 0
    number: int | None = None
    buffer: int = 0

    def scenario(self) -> Scenario:
        """What is simulated."""
        if self.number is not None:
            return held_out(self.number)
        rate, length = LOADS[self.load]
        concurrency, autoscaler = settings_for(
            max_inputs=4,
            target_inputs=None,
            min_containers=0,
            max_containers=None,
            buffer_containers=self.buffer,
            scaledown_window=60.0,
        )
        return Scenario(
            trace=make_trace(self.load, self.seed, rate, length),
            concurrency=concurrency,
            autoscaler=autoscaler,
            cold_start=Distribution(2.0),
            duration=Distribution(0.2, "exponential"),
            seed=self.seed,
        )


@dataclass(kw_only=True)
class Row:
    """A policy on a load: medians over the seeds. `points`: p99 and container-seconds with each of `BUFFERS`, first seed."""

    load: str
    policy: str
    p50: float
    p95: float
    p99: float
    container_seconds: float
    cold_starts: float
    peak_containers: float
    errors: float
    points: list[tuple[float, float]]

    def cells(self, own: Row) -> list[str]:
        """As text; the last two compare at what Motet's own policy has."""
        at_p99 = min((cost for p99, cost in self.points if p99 <= own.p99 * WITHIN), default=None)
        at_cost = min((p99 for p99, cost in self.points if cost <= own.container_seconds * WITHIN), default=None)
        return [
            self.load,
            self.policy,
            f"{self.p50:.3f}",
            f"{self.p95:.3f}",
            f"{self.p99:.3f}",
            f"{self.container_seconds:,.0f}",
            f"{self.cold_starts:.0f}",
            f"{self.peak_containers:.0f}",
            "never" if at_p99 is None else f"{at_p99:,.0f}",
            "never" if at_cost is None else f"{at_cost:.3f}",
        ]


def run(job: Job) -> dict[str, float]:
    """The numbers of one simulation."""
    report = simulate(job.scenario(), job.policy)
    return {name: round(float(getattr(report, name) or 0.0), 6) for name in NUMBERS}  # a microsecond is no difference


def rows(seeds: int, numbers: int, buffers: Sequence[int], processes: int) -> list[Row]:
    """Every policy on every load."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for name in [] if numbers else LOADS:
        for policy in POLICIES:
            jobs = [Job(policy=policy, load=name, seed=seed) for seed in range(1, seeds + 1)]
            groups[name, policy] = jobs + [Job(policy=policy, load=name, seed=1, buffer=n) for n in buffers if n]
    for number in range(numbers):
        title = _title(held_out(number))
        for policy in POLICIES:
            groups[title, policy] = [Job(policy=policy, number=number)]
    with multiprocessing.Pool(processes) as pool:
        results = iter(pool.map(run, [job for jobs in groups.values() for job in jobs], chunksize=1))
    found = []
    for (load, policy), jobs in groups.items():
        values = [(job, next(results)) for job in jobs]
        plain = [value for job, value in values if not job.buffer]
        medians = {name: statistics.median(value[name] for value in plain) for name in NUMBERS}
        points = [(medians["p99"], medians["container_seconds"])]
        points += [(value["p99"], value["container_seconds"]) for job, value in values if job.buffer]
        found.append(Row(load=load, policy=policy, points=points, **medians))
    return found


def verdicts(found: Sequence[Row]) -> list[list[str]]:
    """For each load: who is better in both than Motet's own policy, and who is not beaten in both."""
    result = []
    for load in dict.fromkeys(row.load for row in found):
        own = next(row for row in found if row.load == load and row.policy == OWN)
        peers = [row for row in found if row.load == load and row.policy != OWN]
        result.append(
            [
                load,
                _names(r for r in peers if r.p99 < own.p99 and r.container_seconds < own.container_seconds),
                _names(r for r in peers if not (own.p99 < r.p99 and own.container_seconds < r.container_seconds)),
                _names(r for r in peers if not _beats_or_equals(own, r)),
            ]
        )
    return result


def _beats_or_equals(own: Row, peer: Row) -> bool:
    return own.p99 <= peer.p99 * WITHIN and own.container_seconds < peer.container_seconds


def chart(found: Sequence[Row]) -> str:
    """A panel for each load: what the policies cost, and their p99. Best is below and to the left."""
    panels = []
    for load in dict.fromkeys(row.load for row in found):
        points = {row.policy: [(row.container_seconds, row.p99)] for row in found if row.load == load}
        panels.append(Panel(title=load.partition(";")[0], across="container-seconds", up="p99, s", points=points))
    return picture(panels, columns=4)


def _names(some: object) -> str:
    return ", ".join(row.policy for row in some) or "none"  # type: ignore[attr-defined]


def _title(scenario: Scenario) -> str:
    concurrency, duration = scenario.concurrency, scenario.duration
    return (
        f"{scenario.trace.name}; {concurrency.target_inputs} of {concurrency.max_inputs}, "
        f"start {scenario.cold_start.mean:.2g} s, window {scenario.autoscaler.scaledown_window:g} s, "
        f"{duration.shape} {duration.mean:.2g} s"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", type=int, default=0, metavar="N", help="N loads made at random, and no others")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-buffers", action="store_true", help="leave out the cost at equal p99")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw cost and p99 to this SVG file")
    options = parser.parse_args()
    found = rows(options.seeds, options.held_out, () if options.no_buffers else BUFFERS, options.processes)
    own = {row.load: row for row in found if row.policy == OWN}
    print(markdown(HEADINGS, [row.cells(own[row.load]) for row in found]))
    print()
    headings = ["load", "better than motet in both", "not beaten in both", "not beaten, where within 1 % is equal"]
    print(markdown(headings, verdicts(found)))
    if options.chart is not None:
        options.chart.write_text(chart(found))
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
