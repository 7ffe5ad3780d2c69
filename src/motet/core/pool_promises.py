"""What a pool promises at every instant; tests ask after each step."""

from __future__ import annotations

from collections.abc import Iterable

from motet.core import containers as states
from motet.core.containers import Container
from motet.core.deadlines import Deadlines
from motet.core.fleet import Fleet
from motet.core.inputs import DELAYED, RUNNING, WAITING, Call, Input
from motet.core.isolation import Isolation
from motet.core.size import Size
from motet.core.unserved import Unserved
from motet.core.waiting import WaitingQueue
from motet.errors import InternalError
from motet.model.function import FunctionSpec


class PoolPromises:
    """The part of a pool that is for tests."""

    fleet: Fleet
    size: Size
    running: int
    closed: bool
    unserved: Unserved
    _queue: WaitingQueue
    _isolation: Isolation
    _deadlines: Deadlines

    @property
    def spec(self) -> FunctionSpec:
        return self.fleet.spec

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._isolation)

    @property
    def running_inputs(self) -> Iterable[Input]:
        """The inputs that run."""
        return self._deadlines.running

    def check(self, calls: dict[str, Call]) -> None:
        """Raise `InternalError` unless every promise about this pool holds."""
        self.fleet.check()
        self.size.check()
        mine = [i for c in calls.values() if c.function_id == self.fleet.function_id for i in c.inputs.values()]
        held = {item.attempt: item for c in self.fleet.containers.values() for item in self._inputs_of(c)}
        settling = self.unserved.left or self.closed
        facts = {
            "running": self.running == len(held) == sum(i.state is RUNNING for i in mine),
            "waiting": self.waiting == sum(i.state is WAITING and i.call.cancelled is None for i in mine),
            "each running input is where it thinks": all(i.attempt == n for n, i in held.items()),
            "deadlines": self._deadlines.attempts == set(held),
            "no free slot while inputs wait": settling
            or self._none_due
            or self.fleet.index.emptiest_below(self.fleet.max_inputs) is None,
            "suspects": all(i.suspect and i.state is WAITING for i in self._isolation),
            "set aside only for suspects": not self._isolation.idle
            or not any(c.exclusive and c.state is states.READY for c in self.fleet.containers.values()),
            "somebody will serve those who wait": not self.waiting
            or settling
            or bool(self.size.wanted or self.fleet.containers),
            "states": all(i.state in (WAITING, DELAYED, RUNNING) for i in mine),
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"pool of {self.spec.name}: {', '.join(broken)}: {mine} {self.fleet.containers}")

    def _inputs_of(self, container: Container) -> list[Input]:
        """The inputs that a container runs, and that somebody waits for."""
        return [item for item in container.running.values() if item is not None]

    @property
    def _none_due(self) -> bool:
        """No input waits that a free slot would have to take."""
        return not self._queue
