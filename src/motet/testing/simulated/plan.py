"""What a seed makes of a world: who calls how much, and which faults there are how often."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

FaultKind = Literal[
    "server crashes",
    "server is away",
    "server pauses",
    "server is replaced",
    "leader is cut off",
    "disk fails",
    "disk is slow",
    "commit is unclear",
    "container dies",
    "container freezes",
    "container is cut off",
    "connection is held up",
    "agent dies",
    "agent is held up",
    "host is held up",
    "host is cut off",
    "client is held up",
    "client is cut off",
    "client dies",
    "wall clock jumps",
]

KINDS: tuple[FaultKind, ...] = ("server crashes", "server crashes", *get_args(FaultKind))
"""As they are drawn: crashes of the server more often than the others."""

LEASE = 2.0
"""Seconds for which a server leads that does not reach its database, as usual."""

TWO_SERVERS = frozenset({"server is replaced", "leader is cut off"})
"""With these, there are two for a while, which share a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """Of one world. `faults`: the kinds that there are, `pause`: seconds between two of them on average, for `seconds`.
    `latency`: the delays that something on its way may have. `files`: the journal is that of servers with a home, in files.
    `schedules`: an app is deployed that runs by itself."""

    clients: int
    calls: int
    spawns: bool
    faults: tuple[FaultKind, ...]
    pause: float
    seconds: float
    latency: tuple[float, ...]
    files: bool = False
    schedules: bool = False

    @classmethod
    def of(cls, dice: Random, *, durable: bool) -> WorldPlan:
        """Each world has some kinds of faults, and not others: with all of them at once, some hide behind others. `durable`:
        spawned calls outlive a server."""
        faults = tuple(kind for kind in KINDS if dice.random() < 0.45)
        return cls(
            clients=dice.choice((1, 2, 3)),
            calls=dice.choice((2, 5, 12, 30)),
            spawns=durable or "server crashes" not in faults,
            faults=faults,
            pause=dice.choice((0.3, 2.0, 10.0)),
            seconds=dice.choice((5.0, 20.0, 60.0)),
            latency=dice.choice(((0.0,), (0.0, 0.001), (0.001, 0.02, 0.2))),
            # A home has one server: another one cannot replace it while it lives.
            files=not TWO_SERVERS & set(faults) and dice.random() < 0.4,
            schedules=dice.random() < 0.3,
        )
