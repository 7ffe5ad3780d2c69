"""The enclosures of one template: those that are being made, and those with a container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from motet.runtime.walls.bubblewrap import identities
from motet.runtime.walls.enclosure import Enclosure
from motet.wire.template import Fork, MakeSpare


class Awaiting(NamedTuple):
    """A container, or a spare for one, that is forked once its walls stand. `descriptors`: those that came with the request."""

    order: Fork | MakeSpare
    descriptors: tuple[int, ...]
    enclosure: Enclosure
    shown: object
    """The `identities` of what its walls show, from before they were begun."""

    def close(self) -> None:
        """It is not forked."""
        self.enclosure.end()
        for descriptor in self.descriptors:
            os.close(descriptor)


class Enclosures:
    """Knows bubblewrap's processes: they are children of the template, and neither containers nor orphans."""

    def __init__(self) -> None:
        self._awaiting: dict[int, Awaiting] = {}
        """By the descriptor that says when they stand."""
        self._occupied: dict[int, Enclosure] = {}
        """By the pid of the container."""
        self._processes: set[int] = set()

    def __contains__(self, pid: int) -> bool:
        return pid in self._processes

    @property
    def ready(self) -> tuple[int, ...]:
        """Descriptors to wait for."""
        return tuple(self._awaiting)

    def begin(self, order: Fork | MakeSpare, descriptors: tuple[int, ...], stderr: int) -> None:
        """Have walls made for a container, or for a spare. `stderr`: where bubblewrap says what is wrong. Raises `OSError`."""
        shown = identities(order.walls)
        enclosure = Enclosure(order.walls, order.directory, stderr)
        self._processes.add(enclosure.process)
        self._awaiting[enclosure.ready] = Awaiting(order, descriptors, enclosure, shown)

    def use_spare(self, fork: Fork, descriptors: tuple[int, ...]) -> bool:
        """The walls that are being made for this container's spare are its own; False if none are, or they show what is old."""
        spare = self.take_spare(fork.spare)
        if spare is None:
            return False
        if spare.shown != identities(fork.walls):
            spare.close()
            return False
        self._awaiting[spare.enclosure.ready] = spare._replace(order=fork, descriptors=descriptors)
        return True

    def take(self, ready: int) -> Awaiting:
        """One of those that are waited for, which is done with, one way or the other."""
        return self._awaiting.pop(ready)

    def take_all(self) -> Iterator[Awaiting]:
        """All of them: nothing is forked any more."""
        while self._awaiting:
            yield self._awaiting.popitem()[1]

    def take_container(self, container_id: str) -> Awaiting | None:
        """The one for this container, which is not to be forked."""
        for ready, each in self._awaiting.items():
            if isinstance(each.order, Fork) and each.order.container_id == container_id:
                return self._awaiting.pop(ready)
        return None

    def take_spare(self, number: int) -> Awaiting | None:
        """The one for this spare, which is not to be forked."""
        for ready, each in self._awaiting.items():
            if isinstance(each.order, MakeSpare) and each.order.number == number:
                return self._awaiting.pop(ready)
        return None

    def occupy(self, pid: int, enclosure: Enclosure) -> None:
        """This container is in it."""
        self._occupied[pid] = enclosure

    def vacate(self, pid: int) -> None:
        """This container has ended: have all that it left within killed."""
        if (enclosure := self._occupied.pop(pid, None)) is not None:
            enclosure.end()

    def forget(self, pid: int) -> None:
        """This process has been waited for."""
        self._processes.discard(pid)
