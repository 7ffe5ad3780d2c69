"""`python -m motet.testing.simulated --seed 7`: run the world of a seed again, and say what happened in it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from motet.testing.history import check, report
from motet.testing.history_events import described, dumped
from motet.testing.simulated.many import WorldsTally, worlds_until
from motet.testing.simulated.world import history_of


def main() -> int:
    """1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m motet.testing.simulated", description=(__doc__ or "").split(": ")[1]
    )
    parser.add_argument("--seed", type=int, required=True, help="which world")
    parser.add_argument("--keep", type=Path, help="write its history there, for `python -m motet.testing.history`")
    parser.add_argument("--to", type=int, help="the last of several, of which only what was broken is told")
    parser.add_argument("--minutes", type=float, help="in place of --to: as many as can be made in this time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="with --minutes: in so many processes")
    parser.add_argument("--json", type=Path, help="of several: write there how much of what happened")
    arguments = parser.parse_args()
    if arguments.minutes is not None:
        tally = worlds_until(arguments.seed, 60 * arguments.minutes, arguments.jobs)
    elif arguments.to is not None:
        tally = WorldsTally.of(range(arguments.seed, arguments.to + 1))
    else:
        return _tell(arguments.seed, arguments.keep)
    for seed, story in tally.broken.items():
        print(f"seed {seed} (`python -m motet.testing.simulated --seed {seed}` tells all of it)\n\n{story}\n")
    print(tally.table())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(tally.as_json(), indent=1))
    return min(len(tally.broken), 1)


def _tell(seed: int, keep: Path | None) -> int:
    world = history_of(seed)
    violations = check(world.events)
    print(f"seed {seed}: {world.plan}", *map(described, world.events), sep="\n")
    if keep is not None:
        keep.write_bytes(dumped(world.events))
    if violations:
        print("", report(world.events, violations), sep="\n")
    print(f"{min(len(violations), 1)} worlds in which a promise was broken")
    return min(len(violations), 1)


if __name__ == "__main__":
    sys.exit(main())
