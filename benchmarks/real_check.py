"""`python benchmarks/real_check.py [--reps N] [--json FILE] [--markdown FILE]`: does `motet simulate` tell the truth?

Three loads are replayed in real time on real containers, and simulated. Latencies and container-seconds must agree within
`TOLERANCES`, which were set before the first comparison; it exits with 1 if they do not. What goes into the simulation is the
trace, the settings, and how long cold starts and an input's way take, measured beforehand in a run of their own. Takes about
eleven minutes per repetition.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import replayed
from machine import description
from measured import markdown
from replay import TRIES, Replay, quiet_replay, replay

from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario, settings_for
from motet.simulation.simulator import simulate
from motet.simulation.trace import Trace, make_trace
from motet.simulation.trace_file import parse_trace

TOLERANCES = {
    "p50": (0.10, 0.020),
    "p95": (0.10, 0.020),
    "p99": (0.25, 0.100),
    "mean": (0.10, 0.020),
    "container_seconds": (0.10, 0.0),
}
"""By how much simulated and measured may differ: this share of the measured value or these seconds, whichever is more."""
REPORTED = ("cold_starts", "peak_containers")
"""Compared, and left to the reader: they follow from a few moments."""
ALONE = 0.1
"""Seconds that inputs run while the machine is calibrated."""
SEEDS = range(5)
"""Of simulated cold starts; the median of these counts."""
HEADINGS = ["load", "what", "simulated", "measured", "[min..max]", "ratio", "allowed", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A class of `replayed`, and how its containers are simulated."""

    name: str
    curve: str
    most_containers: int
    duration: str
    loads: tuple[tuple[str, float, float], ...]
    """Name, inputs per second where it is highest, seconds."""


KINDS = (
    Kind(
        name="Sleeping",
        curve="io",
        most_containers=replayed.MOST,
        duration="lognormal:0.4:0.5",
        loads=(("poisson", 20.0, 45.0), ("square-wave", 25.0, 85.0), ("flash-crowd", 60.0, 60.0)),
    ),
    Kind(
        name="Holding",
        curve="gil",
        most_containers=replayed.MOST,
        duration="lognormal:0.2:0.5",
        loads=(("poisson", 10.0, 45.0), ("square-wave", 12.0, 85.0), ("flash-crowd", 25.0, 60.0)),
    ),
    Kind(
        name="Burning",
        curve="gil",
        most_containers=replayed.MOST_BURNING,
        duration="lognormal:0.2:0.5",
        loads=(("poisson", 3.0, 45.0), ("square-wave", 4.0, 85.0), ("flash-crowd", 7.0, 60.0)),
    ),
)


# --- simulated ones ---------------------------------------------------------------------------------------------------


def fitted(values: Sequence[float]) -> Distribution:
    """A lognormal distribution with their mean and variation."""
    mean = statistics.fmean(values)
    return Distribution(mean, "lognormal", max(statistics.pstdev(values) / mean, 0.001))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What this machine takes: cold starts of up to four containers at once, and what an attempt takes besides its duration."""

    cold_start: Distribution
    overhead: float

    def __str__(self) -> str:
        start = f"--cold-start lognormal:{self.cold_start.mean:.3f}:{self.cold_start.spread:.3f}"
        return f"{start} --overhead {self.overhead:.4f}"


def calibrate(kind: Kind, rounds: int) -> Calibration:
    """Some bursts of the kind; then inputs that sleep, one after another, so that nothing but their way is in it."""
    inputs = min(4, kind.most_containers) * replayed.MAX_INPUTS
    lives = replay(kind.name, [([0.0] * inputs, [ALONE] * inputs)] * rounds).lives
    starts = [life.ready - life.wanted for life in lives if life.ready is not None]
    moments = [
        0.0,
        *(2 * replayed.LOADING + 2 * ALONE * number for number in range(20)),
    ]  # the first starts a container
    took = replay("Sleeping", [(moments, [ALONE] * len(moments))]).took
    return Calibration(cold_start=fitted(starts), overhead=max(0.0, statistics.median(took[1:]) - ALONE))


def simulated(kind: Kind, trace: Trace, machine: Calibration) -> dict[str, float]:
    """Medians over a few seeds of cold starts."""
    concurrency, autoscaler = settings_for(
        max_inputs=replayed.MAX_INPUTS,
        target_inputs=None,
        min_containers=0,
        max_containers=kind.most_containers,
        buffer_containers=0,
        scaledown_window=replayed.SCALEDOWN_WINDOW,
    )
    reports: list[Report] = [
        simulate(
            Scenario(
                trace=trace,
                concurrency=concurrency,
                autoscaler=autoscaler,
                curve=Curve.parse(kind.curve),
                cold_start=machine.cold_start,
                overhead=machine.overhead,
                seed=seed,
            )
        )
        for seed in SEEDS
    ]
    names = (*TOLERANCES, *REPORTED)
    return {name: statistics.median(getattr(report, name) for report in reports) for name in names}


# --- both -------------------------------------------------------------------------------------------------------------


def write_trace(kind: Kind, load: str, rate: float, length: float, directory: Path) -> Path:
    """A made load with durations, as the CSV file that both sides read."""
    made = make_trace(load, 1, rate, length)
    scenario = Scenario(trace=made, duration=Distribution.parse(kind.duration), seed=1)
    path = directory / f"{kind.name.lower()}-{load}.csv"
    rows = zip(made.arrivals, scenario.durations(), strict=True)
    lines = [f"{arrival:.6f},{min(max(duration, 0.1), 1.0):.6f}\n" for arrival, duration in rows]
    path.write_text("arrival,duration\n" + "".join(lines))
    return path


def within(name: str, simulated: float, measured: float) -> bool | None:
    """Whether they agree; None where nothing was promised."""
    if name not in TOLERANCES:
        return None
    share, seconds = TOLERANCES[name]
    return abs(simulated - measured) <= max(share * measured, seconds)


def compare(load: str, simulated: dict[str, float], replays: Sequence[Replay]) -> list[dict[str, Any]]:
    """A row for each number, with the median of what was measured."""
    measured = [each.numbers() for each in replays]
    rows = []
    for name, value in simulated.items():
        values = [numbers[name] for numbers in measured]
        median = statistics.median(values)
        rows.append(
            {
                "load": load,
                "what": name,
                "simulated": value,
                "measured": median,
                "values": values,
                "within": within(name, value, median),
            }
        )
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """One line of the table."""
    share, seconds = TOLERANCES.get(row["what"], (0.0, 0.0))
    allowed = f"{share:.0%}" + (f" or {seconds * 1000:.0f} ms" if seconds else "") if share else ""
    shown = "{:.3f}" if row["what"] in ("p50", "p95", "p99", "mean") else "{:.0f}"
    return [
        row["load"],
        row["what"].replace("_", " "),
        shown.format(row["simulated"]),
        shown.format(row["measured"]),
        f"[{shown.format(min(row['values']))}..{shown.format(max(row['values']))}]",
        f"{row['simulated'] / row['measured']:.2f}",
        allowed,
        {None: "", True: "ok", False: "OUT"}[row["within"]],
    ]


def main() -> int:
    """Calibrate, replay, simulate, compare."""
    parser = argparse.ArgumentParser(description="Compare simulated loads with the same ones on real containers.")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="loads whose name contains one of these")
    parser.add_argument(
        "--others",
        type=float,
        default=0.2,
        metavar="N",
        help=f"repeat a replay while others keep more than N processors busy (0.2), {TRIES} times at most",
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds of each load: only shows that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    before = description()
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        for kind in KINDS:
            loads = [
                (
                    f"{kind.name}, {load}",
                    write_trace(kind, load, rate, 3.0 if arguments.quick else length, Path(directory)),
                )
                for load, rate, length in kind.loads
                if not arguments.only or any(word in f"{kind.name} {load}" for word in arguments.only)
            ]
            if loads:
                notes += _check(kind, loads, arguments, rows)
    text = markdown(HEADINGS, [cells(row) for row in rows])
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": before, "notes": notes, "rows": rows}, indent=2))
    if arguments.markdown:
        arguments.markdown.write_text("\n".join([text, "", *(f"- {note}" for note in notes), ""]))
    return 1 if any(row["within"] is False for row in rows) else 0


def _check(
    kind: Kind, loads: list[tuple[str, Path]], arguments: argparse.Namespace, rows: list[dict[str, Any]]
) -> list[str]:
    machine = calibrate(kind, rounds=1 if arguments.quick else 3)
    notes = [f"{kind.name}: {machine}"]
    print(notes[0], flush=True)
    for name, path in loads:
        with path.open() as lines:
            trace = parse_trace(lines, path.stem)
        assert trace.durations is not None
        load = trace.arrivals, trace.durations
        replays = [quiet_replay(kind.name, load, arguments.others) for _ in range(arguments.reps)]
        rows += compare(name, simulated(kind, trace, machine), replays)
        others = ", ".join(f"{each.others:.2f}" for each in replays)
        lates = ", ".join(f"{each.late * 1000:.1f} ms" for each in replays)
        notes.append(
            f"{name}: {len(trace.arrivals)} inputs; others kept {others} processors busy; sent late by (p99) {lates}"
        )
        print(notes[-1], flush=True)
    return notes


if __name__ == "__main__":
    sys.exit(main())
