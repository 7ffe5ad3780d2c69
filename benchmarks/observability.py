"""`python benchmarks/observability.py [--reps 7]`: what records cost: the no-op workloads with MOTET_RECORDS on and off.

Both in turn, each in a process of its own, so that what else the machine does meets both alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
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


def measure(scale: float) -> dict[str, float]:
    """One run of each workload, in this process."""
    calls, inputs = int(3000 * scale), int(60_000 * scale)
    with app.run():
        for function in (noop_alone, noop_async, noop_threads):
            _round_trip(function, 20)
        return {
            "map, async": _map_rate(noop_async, inputs),
            "map, threads": _map_rate(noop_threads, inputs),
            "remote p50, alone": _round_trip(noop_alone, calls),
            "remote p50, async": _round_trip(noop_async, calls),
        }


def _child(records: str, scale: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "MOTET_RECORDS": records, "MOTET_HOME": home}
        command = [sys.executable, __file__, "--child", "--scale", str(scale)]
        return json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


def report(runs: dict[str, list[dict[str, float]]]) -> str:
    """A table: medians, and what records cost as the median of the runs' ratios."""
    lines = ["| workload | off | on | lost |", "|---|---|---|---|"]
    for name in WORKLOADS:
        off, on = ([run[name] for run in runs[kind]] for kind in ("off", "on"))
        pairs = [b / a for a, b in zip(off, on, strict=True)]
        ratio = statistics.median(pairs)
        lost = 1 - ratio if name.startswith("map") else ratio - 1
        unit = "inputs/s" if name.startswith("map") else "µs"
        lines.append(
            f"| {name} | {statistics.median(off):,.0f} {unit} | {statistics.median(on):,.0f} {unit} | {lost:+.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="What records cost.")
    parser.add_argument("--reps", type=int, default=7, help="repetitions of each (default: 7)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the inputs (0.01: only to see that it works)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table and the machine there, too")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.scale)))
        return
    runs: dict[str, list[dict[str, float]]] = {"off": [], "on": []}
    for number in range(arguments.reps):
        for kind in ("off", "on") if number % 2 else ("on", "off"):
            runs[kind].append(_child(kind, arguments.scale))
            print(kind, {name: round(value) for name, value in runs[kind][-1].items()}, flush=True)
    about = "\n".join(f"- {name}: {value}" for name, value in machine.description().items())
    text = f"{about}\n- repetitions: {arguments.reps}, on and off in turn\n\n{report(runs)}\n"
    print(f"\n{text}", end="")
    if arguments.markdown is not None:
        arguments.markdown.write_text(f"# What records cost\n\n{text}")


if __name__ == "__main__":
    main()
