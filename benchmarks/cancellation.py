"""`python benchmarks/cancellation.py [--cancels 100] [--json FILE]`: from `.cancel()` to the exception inside user code.

Each way of running and waiting is cancelled so many times, one after the other, beside four neighbours in the same container
(none where inputs run alone). A neighbour is harmed if it does not end with its result, in the container it began in.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cancelled_functions as functions
import machine
from rich.console import Console
from rich.table import Table

from motet import Function, FunctionCall

NEIGHBOURS = 4
FLOOR = 0.05
PATIENCE = 30.0
WITHOUT_A_FLOOR = {"C calls with the GIL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way. Seconds; `floor`: what the 99th percentile must stay below, None where it is reported only."""

    runs: str
    way: str
    cancels: int
    p50: float
    p99: float
    worst: float
    floor: float | None
    neighbours: int
    harmed: int

    @property
    def passed(self) -> bool:
        """Whether it is fast enough and harms nobody."""
        return not self.harmed and (self.floor is None or self.p99 < self.floor)


def measured(function: Function[..., Any], runs: str, way: str, cancels: int, neighbours: int) -> Row:
    """Cancel it so often."""
    with tempfile.TemporaryDirectory() as directory:
        release = Path(directory) / "release"
        beside = [function.spawn(directory, "", str(release)) for _ in range(neighbours)]
        seconds = sorted(cancelled_once(function, directory, f"victim-{n}", way) for n in range(cancels))
        release.touch()
        harmed, container = 0, set()
        for call in beside:
            try:
                container.add(call.get(timeout=PATIENCE))
            except Exception as error:
                print(f"{runs}, {way}: a neighbour ended with {error!r}", file=sys.stderr)
                harmed += 1
    return Row(
        runs=runs,
        way=way,
        cancels=cancels,
        p50=seconds[len(seconds) // 2],
        p99=seconds[int(len(seconds) * 0.99)],
        worst=seconds[-1],
        floor=None if way in WITHOUT_A_FLOOR else FLOOR,
        neighbours=neighbours,
        harmed=harmed + max(0, len(container) - 1),
    )


def cancelled_once(function: Function[..., Any], directory: str, name: str, way: str) -> float:
    """Seconds from the cancel to the exception."""
    call: FunctionCall[Any] = function.spawn(directory, name, way)
    wait_file(Path(directory) / name)
    time.sleep(0.002)  # it is under way; let it get where it blocks
    began = time.monotonic()
    call.cancel()
    hit = Path(directory) / f"{name}.hit"
    wait_file(hit)
    return float(hit.read_text()) - began


def wait_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"{path.name} was not there within {PATIENCE} s: the cancellation got lost")
        time.sleep(0.0005)


def table(rows: list[Row]) -> Table:
    shown = Table(title="From .cancel() to the exception inside user code, ms")
    for heading in ("runs", "in", "cancels", "p50", "p99", "worst", "floor (p99)", "", "neighbours harmed"):
        shown.add_column(heading, justify="left" if heading in {"runs", "in"} else "right")
    for row in rows:
        shown.add_row(
            row.runs,
            row.way,
            str(row.cancels),
            *(f"{value * 1000:.2f}" for value in (row.p50, row.p99, row.worst)),
            "" if row.floor is None else f"< {row.floor * 1000:.0f}",
            ("" if row.floor is None else "ok") if row.passed else "[red]MISSED[/]",
            f"{row.harmed} of {row.neighbours}",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how soon cancellations arrive.")
    parser.add_argument("--cancels", type=int, default=200, help="of each way (default: 200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there, too")
    arguments = parser.parse_args()
    about = machine.description()
    cases = [(functions.in_tasks, "async", "await", NEIGHBOURS)]
    cases += [(functions.alone, "sync, alone", way, 0) for way in functions.WAYS]
    cases += [(functions.on_threads, "sync, on threads", way, NEIGHBOURS) for way in functions.WAYS]
    rows = []
    with functions.app.run():
        for function, runs, way, neighbours in cases:
            rows.append(measured(function, runs, way, arguments.cancels, neighbours))
    console = Console(width=None if sys.stdout.isatty() else 120)
    for name, value in about.items():
        console.print(f"- {name}: {value}", highlight=False)
    console.print(table(rows))
    if arguments.json is not None:
        found = [{**asdict(row), "passed": row.passed} for row in rows]
        arguments.json.write_text(json.dumps({"about": about, "rows": found}, indent=1) + "\n")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
