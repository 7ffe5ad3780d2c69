"""`python benchmarks/run.py [--only NAME ...] [--reps 5] [--json FILE]`: measure, and print a table. See README.md."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import machine
import workloads
from functions import app
from measured import Row, table
from workloads import Effort


def measured(names: list[str], effort: Effort) -> Iterator[Row]:
    """The rows of these workloads, each on a server of its own: no workload meets what another one left."""
    for name, workload in workloads.WITHOUT_A_SERVER.items():
        if name in names:
            yield from workload(effort)
    for name, workload in workloads.ON_A_RUNNING_APP.items():
        if name in names:
            with app.run():
                yield from workload(effort)


def _arguments() -> argparse.Namespace:
    known = [*workloads.WITHOUT_A_SERVER, *workloads.ON_A_RUNNING_APP]
    parser = argparse.ArgumentParser(
        description="Measure Motet on this machine. benchmarks/README.md says how to read it."
    )
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--reps", type=int, default=5, help="repetitions of every workload (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table and the machine there, too")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only to see that it works")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    about = machine.description()
    rows = []
    for row in measured(arguments.only, Effort(arguments.reps, arguments.quick)):
        print(" | ".join(cell for cell in row.cells() if cell), flush=True)
        rows.append(row)
    lines = "\n".join(f"- {name}: {value}" for name, value in about.items())
    report = f"{lines}\n- repetitions: {arguments.reps}\n\n{table(rows)}\n"
    print(f"\n{report}", end="")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"about": about, "rows": [row.as_json() for row in rows]}, indent=1))
    if arguments.markdown is not None:
        arguments.markdown.write_text(f"# Motet, {about['processors']}\n\n{report}")


if __name__ == "__main__":
    main()
