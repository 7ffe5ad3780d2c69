"""Suspects, inputs whose container died: each runs alone, so that one that kills containers harms no other."""

from __future__ import annotations

from collections import deque

from motet.core import containers as states
from motet.core.containers import Container
from motet.core.fleet import Fleet
from motet.core.inputs import Input


class Isolation:
    """The suspects of a pool that wait, and the containers set aside for them.

    A container is set aside when it is idle, or *reserved* while it still runs other inputs where the pool cannot grow;
    it goes back to the others once no suspect runs in it or waits for it.
    """

    __slots__ = ("_fleet", "_reserved", "_set_aside", "waiting")

    def __init__(self, fleet: Fleet) -> None:
        self.waiting: deque[Input] = deque()
        self._fleet = fleet
        self._set_aside: dict[str, Container] = {}
        self._reserved: Container | None = None

    @property
    def idle(self) -> bool:
        """There is nothing to isolate, and no container is set aside."""
        return not self.waiting and not self._set_aside

    @property
    def demand(self) -> int:
        """The containers that suspects take up or ask for."""
        reserved = self._reserved is not None
        return len(self._set_aside) - reserved + max(len(self.waiting), reserved)

    def take_container(self) -> Container | None:
        """An empty container for the next suspect, from now on set aside for it; None if there is none."""
        for container in self._set_aside.values():
            if container.state is states.READY and not container.running:
                self._reserved = None if container is self._reserved else self._reserved
                return container
        idle = self._fleet.index.idle()
        if idle is not None:
            self._put_aside(idle)
        return idle

    def reserve(self) -> None:
        """Suspects wait and the pool will not grow for them: let the least busy container run empty for them."""
        if self._reserved is not None or self._fleet.starting or (self._fleet.wanted and not self._fleet.blocked):
            return
        container = self._fleet.index.emptiest_below(self._fleet.max_inputs + 1)
        if container is not None:
            self._put_aside(container)
            self._reserved = container

    def release(self) -> None:
        """Give back the containers that no suspect needs, and forget those that are going: call it after placing."""
        for container in list(self._set_aside.values()):
            unneeded = not container.running or (container is self._reserved and not self.waiting)
            if container.state is not states.READY or unneeded:
                self._forget(container)
                container.exclusive = False
                if container.state is states.READY:
                    self._fleet.index.put(container)

    def _forget(self, container: Container) -> None:
        self._set_aside.pop(container.container_id, None)
        if container is self._reserved:
            self._reserved = None

    def _put_aside(self, container: Container) -> None:
        container.exclusive = True
        self._fleet.index.remove(container)
        self._set_aside[container.container_id] = container
