"""What the containers of a pool have a limited time for."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from motet.core.containers import DRAINING, FROZEN, STARTING, STOPPING, Container
from motet.core.grace import Grace, SetAlarm
from motet.core.host import HostLimits
from motet.model import current_attempt as causes


class ContainerGraces:
    """Those that start, are frozen, drain in a hurry, do not let go of a cancelled attempt, or stop; and are late."""

    __slots__ = ("_alarm", "_closing_deadline", "drains", "freezes", "starts", "stops", "stuck")

    def __init__(self, startup_timeout: float, limits: HostLimits, alarm: SetAlarm) -> None:
        self.starts: Grace[Container] = Grace(startup_timeout, alarm)
        self.freezes: Grace[Container] = Grace(limits.freeze_grace, alarm)
        self.drains: Grace[Container] = Grace(limits.drain_grace, alarm)
        self.stuck: Grace[tuple[int, Container]] = Grace(limits.drain_grace, alarm)
        """Attempts that were cancelled, have used up their grace and still do not end."""
        self.stops: Grace[Container] = Grace(limits.stop_grace, alarm)
        self._alarm = alarm
        self._closing_deadline: float | None = None

    @property
    def closing(self) -> bool:
        """The whole pool has a deadline."""
        return self._closing_deadline is not None

    def close(self, deadline: float) -> None:
        """All that stop have until then, if that is sooner."""
        self._closing_deadline = deadline
        self._alarm(deadline)

    def end(self, container: Container) -> None:
        """Nothing is expected of it any more."""
        self.freezes.end(container)
        self.drains.end(container)
        self.stops.end(container)

    def overstayed(self, now: float) -> Iterator[tuple[Container, str, str]]:
        """Containers that had to be gone by now, each with the cause that its inputs are told, and what kept it."""
        for container in self.freezes.overdue(now):
            yield container, causes.FROZEN, "frozen"
        for container in self.drains.overdue(now):
            yield container, causes.PREEMPTED, "draining"
        for attempt, container in self.stuck.overdue(now):
            if attempt in container.stuck and container.state is DRAINING:
                yield container, causes.NEIGHBOUR, "holding a cancelled input"

    def overdue_stops(self, now: float) -> Iterator[Container]:
        """Containers that were asked to stop and have used up their grace."""
        yield from self.stops.overdue(now)
        if self.stops and self._closing_deadline is not None:
            if self._closing_deadline > now:
                self._alarm(self._closing_deadline)
            else:
                yield from list(self.stops)

    def check(self, alive: Collection[Container]) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        return {
            "starts": set(self.starts) == {c for c in alive if c.state is STARTING},
            "due": {*self.freezes, *self.drains, *self.stops} <= set(alive),
            "draining": all(c.state is DRAINING for c in self.drains),
            "frozen": all(c in self.freezes for c in alive if c.state is FROZEN),
            "stopping": all(c.state is STOPPING for c in self.stops),
        }
