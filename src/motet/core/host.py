"""What one machine can bear: limits that all pools share, and the line for a container to be started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from motet.core.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """`containers_per_pool` stands in where a function sets no `max_containers`; at most `starting` containers start at
    the same time (more would only slow each other). Seconds that a container has: `stop_grace` once it was asked to stop,
    `drain_grace` to finish its inputs when it must go, `freeze_grace` when its process was stopped (SIGSTOP). At most
    `waiting` inputs of a pool wait for a container, or `waiting_spawned` of spawned calls (Modal's numbers)."""

    containers_per_pool: int = 32
    starting: int = 8
    stop_grace: float = 30.0
    drain_grace: float = 30.0
    freeze_grace: float = 10.0
    waiting: int = 2_000
    waiting_spawned: int = 1_000_000


DEFAULT_LIMITS = HostLimits()


class Starter(Protocol):
    """Somebody who wants `wanted` more containers, and starts one when told to."""

    wanted: int

    def start(self, turn: Turn) -> None: ...


class Host:
    """The limits, how much of them is in use now, and who wants more."""

    __slots__ = ("_line", "limits", "starting")

    def __init__(self, limits: HostLimits) -> None:
        self.limits = limits
        self.starting = 0
        self._line: dict[Starter, None] = {}

    def queue(self, starter: Starter) -> None:
        """Let it stand in line while it wants containers; one that stands there already keeps its place."""
        if starter.wanted > 0:
            self._line.setdefault(starter)
        else:
            self._line.pop(starter, None)

    def start_next(self, turn: Turn) -> None:
        """Start containers while there is room: one for each in turn, so that no pool starves another."""
        while self._line and self.starting < self.limits.starting:
            starter = next(iter(self._line))
            del self._line[starter]
            starter.start(turn)
            self.queue(starter)
