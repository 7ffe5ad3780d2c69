"""Worlds in which things go wrong: whatever their dice say, every promise is kept, and a seed says the same each time.

With `MOTET_NIGHTLY=9` fresh ones are made for nine minutes, on all cores. One that fails: `python -m motet.testing.simulated
--seed N`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date
from random import Random

import pytest

from motet.errors import Error
from motet.model.outcome import Delivery
from motet.server.journal import durable_calls, unfinished_calls
from motet.server.journal.left_arguments import LeftArguments
from motet.testing.history import check, report
from motet.testing.history_events import AttemptBegan, Fault, OutcomeSeen, dumped
from motet.testing.simulated.many import AT_ONCE, WorldsTally, worlds_until
from motet.testing.simulated.plan import FaultKind, WorldPlan
from motet.testing.simulated.world import history_of

NIGHTLY = int(os.environ.get("MOTET_NIGHTLY", "0"))
"""Minutes."""
SEEDS = 64
PARTS = 8

pytestmark = pytest.mark.timeout(0 if NIGHTLY else 600)


@pytest.mark.skipif(not NIGHTLY, reason="MOTET_NIGHTLY says for how many minutes")
def test_every_promise_is_kept_all_night() -> None:
    first = date.today().toordinal() * 1_000_000
    tally = worlds_until(first, 60.0 * NIGHTLY, os.cpu_count() or 1)
    print(f"\nseeds from {first} on\n{tally.table()}")
    seed, story = next(iter(tally.broken.items()), (0, ""))
    assert not tally.broken, f"seeds {sorted(tally.broken)}; {seed}:\n\n{story}"


def test_worlds_are_counted() -> None:
    tally = WorldsTally.of(range(3))
    before = tally.events["InputSubmitted"]
    tally.add(WorldsTally.of([3]))
    assert tally.worlds == 4
    assert tally.events["InputSubmitted"] > before > 0
    assert f"  {next(iter(tally.faults))}  " in tally.table()
    assert tally.as_json()["seeds_with_a_broken_promise"] == []


def test_worlds_are_made_until_time_is_over() -> None:
    assert worlds_until(0, 0.01, 1).worlds == AT_ONCE


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


def test_one_outcome_counts_while_a_leader_is_cut_off_from_its_database_and_another_one_leads() -> None:
    twice = 0
    for seed in range(12):
        dice = Random(seed)
        faults: tuple[FaultKind, ...] = ("container dies", "client is cut off", "server crashes", "commit is unclear")
        plan = WorldPlan(
            clients=2,
            calls=30,
            spawns=True,
            faults=("leader is cut off", *(kind for kind in faults if dice.random() < 0.25)),
            pause=3.0,
            seconds=30.0,
            latency=(0.0, 0.001, 0.02),
        )
        events = history_of(seed, plan).events
        violations = check(events)
        assert not violations, f"seed {seed}, {plan}\n\n" + report(events, violations)
        replaced = {it.target for it in events if isinstance(it, Fault) and it.kind == "replace"}
        ran: dict[str, set[bool]] = {}
        for each in events:
            if isinstance(each, AttemptBegan):
                ran.setdefault(each.key, set()).add(each.container in replaced)
        twice += sum(len(where) > 1 for where in ran.values())
    assert twice > 20, "inputs that ran on both servers"


@pytest.mark.parametrize("seed", range(4))
def test_every_promise_is_kept_where_the_journal_alone_has_all_arguments(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (durable_calls, unfinished_calls):
        monkeypatch.setattr(module, "MOST_ARGUMENTS_BYTES", -1)
    found: list[Delivery] = []
    find = LeftArguments.find

    def noting(left: LeftArguments, delivery: Delivery, then: Callable[[bytes | Error], None]) -> None:
        found.append(delivery)
        find(left, delivery, then)

    monkeypatch.setattr(LeftArguments, "find", noting)
    world = history_of(seed)
    violations = check(world.events)
    assert not violations, report(world.events, violations)
    assert found


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
