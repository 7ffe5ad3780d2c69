"""All that an engine knows."""

from __future__ import annotations

from itertools import islice

from motet.core.calls import Calls
from motet.core.host import Host, HostLimits
from motet.core.pool import Pool
from motet.core.roster import Roster
from motet.core.sandboxes import SandboxPlaces
from motet.core.shares import Shares
from motet.core.timers import Timers

FEW = 100
"""Calls of an input that are looked at to say what it waits for."""


class State:
    """Pools by function, unfinished calls, containers that have not ended, and what is due when. The engine changes it; others
    look at it, see `Inspection`."""

    __slots__ = ("calls", "containers", "host", "pools", "sandboxes", "shares", "timers")

    def __init__(self, limits: HostLimits, id_base: str) -> None:
        self.host = Host(limits)
        self.shares = Shares()
        self.pools: dict[str, Pool] = {}
        self.sandboxes = SandboxPlaces(self.host, self.shares)
        self.calls = Calls()
        self.containers = Roster(id_base)
        self.timers: Timers[Pool] = Timers()

    def pools_of(self, app_id: str) -> list[Pool]:
        """All of an app's."""
        return [pool for pool in self.pools.values() if pool.app_id == app_id]

    def what_keeps(self, input_id: str) -> str:
        """To follow what is said of an input: which of the calls that it has made has not begun, and why; "" if all have."""
        for call in islice(self.calls.of_input(input_id), FEW):
            if call.waiting:
                pool = self.pools[call.function_id]
                return (
                    f", while it waited for {call.waiting[0].input_id} of {pool.spec.name}, which has not begun: "
                    f"{pool.fleet.live} of at most {pool.size.decision.limit} containers run, with at most "
                    f"{pool.fleet.max_inputs} inputs each. An input keeps its place while it waits for what it has called"
                )
        return ""
