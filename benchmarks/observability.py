"""`python benchmarks/observability.py [--reps 25]`: what records cost: the no-op workloads with MOTET_RECORDS on and off.

Both in turn in one process, each on a server of its own, a few seconds at a time, so that what else the machine does meets
both alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import machine
from functions import app, noop_alone, noop_async, noop_threads

WORKLOADS = ("map, async", "map, threads", "remote p50, alone", "remote p50, async")


def _map_rate(function: object, count: int) -> float:
    started = time.perf_counter()
    taken = sum(1 for _ in function.map(range(count)))  # type: ignore[attr-defined]
    assert taken == count
    return count / (time.perf_counter() - started)


def _round_trip(function: object, count: int) -> float:
    samples = []
    for number in range(count):
        started = time.perf_counter()
        function.remote(number)  # type: ignore[attr-defined]
        samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e6


def measure(records: str, scale: float) -> dict[str, float]:
    """One run of each workload, on a server of its own."""
    os.environ["MOTET_RECORDS"] = records
    calls, inputs = int(1000 * scale), int(30_000 * scale)
    with app.run():
        for function in (noop_alone, noop_async, noop_threads):
            _round_trip(function, 100)
        return {
            "map, async": _map_rate(noop_async, inputs),
            "map, threads": _map_rate(noop_threads, inputs),
            "remote p50, alone": _round_trip(noop_alone, calls),
            "remote p50, async": _round_trip(noop_async, calls),
        }


def report(runs: dict[str, list[dict[str, float]]]) -> str:
    """A table: medians, and what records cost as the median of the pairs' ratios, with its quartiles."""
    lines = ["| workload | off | on | lost | half of the pairs |", "|---|---|---|---|---|"]
    for name in WORKLOADS:
        off, on = ([run[name] for run in runs[kind]] for kind in ("off", "on"))
        pairs = [b / a for a, b in zip(off, on, strict=True)]
        costs = [1 - ratio if name.startswith("map") else ratio - 1 for ratio in pairs]
        low, lost, high = statistics.quantiles(costs, n=4) if len(costs) > 1 else costs * 3
        unit = "inputs/s" if name.startswith("map") else "µs"
        lines.append(
            f"| {name} | {statistics.median(off):,.0f} {unit} | {statistics.median(on):,.0f} {unit} | {lost:+.1%} "
            f"| {low:+.1%} to {high:+.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What records cost.")
    parser.add_argument("--reps", type=int, default=25, help="repetitions of each (default: 25)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the inputs (0.01: only to see that it works)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table and the machine there, too")
    arguments = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"off": [], "on": []}
    with tempfile.TemporaryDirectory() as home:
        os.environ["MOTET_HOME"] = home
        measure("on", arguments.scale / 10)  # whatever is done once in a process
        for number in range(arguments.reps):
            for kind in ("off", "on") if number % 2 else ("on", "off"):
                runs[kind].append(measure(kind, arguments.scale))
                print(kind, {name: round(value) for name, value in runs[kind][-1].items()}, flush=True)
    about = "\n".join(f"- {name}: {value}" for name, value in machine.description().items())
    text = f"{about}\n- repetitions: {arguments.reps}, on and off in turn\n\n{report(runs)}\n"
    print(f"\n{text}", end="")
    if arguments.markdown is not None:
        arguments.markdown.write_text(f"# What records cost\n\n{text}")


if __name__ == "__main__":
    main()
