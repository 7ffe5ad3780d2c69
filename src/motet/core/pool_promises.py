"""What a pool promises at every instant; tests ask after each step."""

from __future__ import annotations

from motet.core import containers as states
from motet.core.deadlines import Deadlines
from motet.core.fleet import Fleet
from motet.core.inputs import DELAYED, RUNNING, WAITING, Call, Input
from motet.core.isolation import Isolation
from motet.core.size import Size
from motet.core.waiting import WaitingQueue
from motet.errors import InternalError
from motet.model.function import FunctionSpec


class PoolPromises:
    """The part of a pool that is for tests."""

    fleet: Fleet
    size: Size
    running: int
    _queue: WaitingQueue
    _isolation: Isolation
    _deadlines: Deadlines

    @property
    def spec(self) -> FunctionSpec:
        return self.fleet.spec

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._isolation)

    def check(self, calls: dict[str, Call]) -> None:
        """Raise `InternalError` unless every promise about this pool holds."""
        self.fleet.check()
        self.size.check()
        mine = [i for c in calls.values() if c.function_id == self.fleet.function_id for i in c.inputs.values()]
        held = self._held()
        facts = {
            "running": self.running == len(held) == sum(i.state is RUNNING for i in mine),
            "waiting": self.waiting == sum(i.state is WAITING for i in mine),
            "each running input is where it thinks": all(i.attempt == n for n, i in held.items()),
            "deadlines": self._deadlines.attempts == set(held),
            "no free slot while inputs wait": self._none_due
            or self.fleet.index.emptiest_below(self.fleet.max_inputs) is None,
            "suspects": all(i.suspect and i.state is WAITING for i in self._isolation),
            "set aside only for suspects": not self._isolation.idle
            or not any(c.exclusive and c.state is states.READY for c in self.fleet.containers.values()),
            "somebody will serve those who wait": not self.waiting or bool(self.size.wanted or self.fleet.containers),
            "states": all(i.state in (WAITING, DELAYED, RUNNING) for i in mine),
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"pool of {self.spec.name}: {', '.join(broken)}: {mine} {self.fleet.containers}")

    def _held(self) -> dict[int, Input]:
        """Running inputs by attempt, as the containers have them."""
        return {n: i for c in self.fleet.containers.values() for n, i in c.running.items() if i is not None}

    @property
    def _none_due(self) -> bool:
        """No input waits that a free slot would have to take."""
        return not self._queue
