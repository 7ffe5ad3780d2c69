"""Every container of a server that has not ended, by its id."""

from __future__ import annotations

import itertools

from motet.core.containers import Container
from motet.model.host import OWN_HOST
from motet.model.ids import numbered_suffix


class Roster(dict[str, Container]):
    """Names containers, and finds them whatever pool they are in: each knows its function."""

    def __init__(self, id_base: str) -> None:
        super().__init__()
        self._id_base = id_base
        self._numbers = itertools.count(1)

    def add(self, function_id: str, now: float, reason: str, host: str = OWN_HOST) -> Container:
        """One more, which is to be started on this host."""
        container_id = "ta-" + numbered_suffix(self._id_base, next(self._numbers))
        container = self[container_id] = Container(container_id, now, reason, function_id, host)
        return container

    def resume(self, container_id: str, function_id: str, now: float, host: str = OWN_HOST) -> Container:
        """One that a server before this one had started; it has the id that it had there."""
        container = self[container_id] = Container(container_id, now, "by a server before this one", function_id, host)
        return container

    def remove(self, container: Container) -> None:
        """It has ended."""
        del self[container.container_id]
