"""Suspects, inputs whose container died: they run again in ever smaller groups, so that the one that kills containers is
found, and harms no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from motet.core import containers as states
from motet.core.containers import Container
from motet.core.fleet import Fleet
from motet.core.inputs import Call, Input


class Isolation:
    """The groups of suspects of a pool that wait, and the containers set aside for them.

    The inputs of a container that died run again as two groups, each in a container of its own; those of a group whose
    container died, too, as two smaller ones. So among n inputs the one to blame is alone after about log2(n) rounds, and
    the innocent have run after one or two. A container is set aside when it is idle, or *reserved* while it still runs
    other inputs where the pool cannot grow; it goes back to the others once no group runs in it or waits for it.
    """

    __slots__ = ("_fleet", "_reserved", "groups", "set_aside")

    def __init__(self, fleet: Fleet) -> None:
        self.groups: deque[list[Input]] = deque()
        """Those that wait."""
        self.set_aside: dict[str, Container] = {}
        self._fleet = fleet
        self._reserved: Container | None = None

    def __len__(self) -> int:
        """How many suspects wait."""
        return sum(map(len, self.groups)) if self.groups else 0

    def __iter__(self) -> Iterator[Input]:
        return (item for group in self.groups for item in group)

    @property
    def idle(self) -> bool:
        """There is nothing to isolate, and no container is set aside."""
        return not self.groups and not self.set_aside

    @property
    def demand(self) -> int:
        """The containers that groups take up or ask for."""
        reserved = self._reserved is not None
        return len(self.set_aside) - reserved + max(len(self.groups), reserved)

    # --- groups -------------------------------------------------------------------------------------------------------

    def add(self, lost: Sequence[Input]) -> None:
        """These were in one container when it died."""
        for item in lost:
            item.suspected()
        # At the head of the line, the first half first: who waits behind them came later.
        half = (len(lost) + 1) // 2
        self.groups.extendleft(list(part) for part in (lost[half:], lost[:half]) if part)

    def put_back(self, item: Input) -> None:
        """A suspect whose container was taken from it: it waits again, as the group it is."""
        self.groups.appendleft([item])

    def remove(self, item: Input) -> None:
        """It waits no longer."""
        group = next(group for group in self.groups if item in group)
        group.remove(item)
        if not group:
            self.groups.remove(group)

    def withdraw(self, call: Call) -> None:
        """None of its inputs waits any longer."""
        if self.groups:
            kept = ([item for item in group if item.call is not call] for group in self.groups)
            self.groups = deque(group for group in kept if group)

    def pop(self) -> Input | None:
        """Any one of those that wait, which then does not; None if none does."""
        item = next(iter(self), None)
        if item is not None:
            self.remove(item)
        return item

    def placed(self) -> Iterator[tuple[list[Input], Container]]:
        """The groups for which there is a container, from now on set aside for them, to be delivered there."""
        while self.groups and (container := self._take_container()):
            yield self.groups.popleft(), container

    # --- containers ---------------------------------------------------------------------------------------------------

    def _take_container(self) -> Container | None:
        for container in self.set_aside.values():
            if container.state is states.READY and not container.running and not container.is_held_up:
                self._reserved = None if container is self._reserved else self._reserved
                return container
        idle = self._fleet.index.idle()
        if idle is not None:
            self._put_aside(idle)
        return idle

    def reserve(self) -> None:
        """If suspects wait, let the least busy container run empty for them; for a pool that will not grow."""
        if not self.groups or self._reserved is not None:
            return
        container = self._fleet.index.emptiest_below(self._fleet.max_inputs + 1)
        if container is not None:
            self._put_aside(container)
            self._reserved = container  # one at a time: the others go on serving, however many groups wait

    def release(self) -> None:
        """Give back the containers that no group needs, and forget those that are going: call it after placing."""
        for container in list(self.set_aside.values()):
            unneeded = not container.running or (container is self._reserved and not self.groups)
            if container.state is not states.READY or unneeded:
                self._forget(container)
                self._fleet.give_back(container)

    def _forget(self, container: Container) -> None:
        self.set_aside.pop(container.container_id, None)
        if container is self._reserved:
            self._reserved = None

    def _put_aside(self, container: Container) -> None:
        self._fleet.set_aside(container)
        self.set_aside[container.container_id] = container
