"""`python -m motet.testing.simulated --seed 7`: run the world of a seed again, and say what happened in it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from motet.testing.history import check, report
from motet.testing.history_events import described, dumped
from motet.testing.simulated.world import history_of


def main() -> int:
    """1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m motet.testing.simulated", description=(__doc__ or "").split(": ")[1]
    )
    parser.add_argument("--seed", type=int, required=True, help="which world")
    parser.add_argument("--to", type=int, help="the last of several, which are checked without telling what happened")
    parser.add_argument("--keep", type=Path, help="write the history there, for `python -m motet.testing.history`")
    arguments = parser.parse_args()
    failed = 0
    for seed in range(arguments.seed, (arguments.to or arguments.seed) + 1):
        world = history_of(seed)
        violations = check(world.events)
        if arguments.to is None:
            print(f"seed {seed}: {world.plan}", *map(described, world.events), sep="\n")
            if arguments.keep is not None:
                arguments.keep.write_bytes(dumped(world.events))
        elif violations:
            print(f"seed {seed}:")
        if violations:
            failed += 1
            print("", report(world.events, violations), sep="\n")
    print(f"{failed} worlds in which a promise was broken")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
