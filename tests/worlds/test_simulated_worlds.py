"""Worlds in which things go wrong: whatever their dice say, every promise is kept, and a seed says the same each time.

`MOTET_NIGHTLY=1000` runs a thousand times as many. One that fails: `python -m motet.testing.simulated --seed N`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest

from motet.testing.history import check, report
from motet.testing.history_events import AttemptBegan, OutcomeSeen, dumped
from motet.testing.simulated.world import history_of

NIGHTLY = int(os.environ.get("MOTET_NIGHTLY", "0"))
SEEDS = 64 * (NIGHTLY or 1)
PARTS = 8

pytestmark = pytest.mark.timeout(0 if NIGHTLY else 600)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept_whatever_fails(part: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(part * SEEDS // PARTS, (part + 1) * SEEDS // PARTS):
        world = history_of(seed)
        violations = check(world.events)
        assert not violations, (
            f"seed {seed} (`python -m motet.testing.simulated --seed {seed}` tells all of it)\n\n"
            + report(world.events, violations)
        )
        seen.update(type(event).__name__ for event in world.events)
    # A world in which nothing happens keeps all promises.
    assert seen["AttemptBegan"] > SEEDS // PARTS
    assert seen["OutcomeSeen"] > SEEDS // PARTS
    assert seen["Fault"] > SEEDS // PARTS


DIGEST = """
import hashlib
from motet.testing.history_events import dumped
from motet.testing.simulated.world import history_of
print(hashlib.sha256(dumped(history_of(4).events)).hexdigest())
"""


def test_a_seed_makes_the_same_world_in_every_process() -> None:
    events = history_of(4).events
    assert {AttemptBegan, OutcomeSeen} <= set(map(type, events))
    digests = {hashlib.sha256(dumped(events)).hexdigest()}
    for hash_seed in ("1", "2"):  # whatever order sets of strings have
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=env, capture_output=True, text=True, timeout=120, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_one_command_tells_the_story_of_a_seed() -> None:
    command = [sys.executable, "-m", "motet.testing.simulated", "--seed", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seed 4: WorldPlan(")
    assert "AttemptBegan" in done.stdout
    assert done.stdout.endswith("0 worlds in which a promise was broken\n")
