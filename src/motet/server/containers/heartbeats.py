"""Whether containers answer: those that do not get no new inputs, and are given up when they hold none.

A container answers on a thread of its own, which needs the GIL for a moment. Its code may hold that for as long as an input's
timeout lets it, so a silent container is not dead: its host says when its process ends. A host that is silent makes all its
containers silent, whatever they say, for they go with it if it is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from motet.core import events as e
from motet.model.host import OWN_HOST
from motet.server.containers.known_container import KnownContainer
from motet.server.driver import Driver, logger
from motet.wire import container_messages as m

INTERVAL = 5.0
"""Seconds between two questions."""
SILENT_AFTER = 3
"""Questions that come due while an earlier one is not answered, after which a container is silent. They are counted, and not
seconds: a server that stands still itself asks none."""
LOST_AFTER = 12
"""The same, after which one that holds no input is given up."""


class Heartbeats:
    """Asks all containers that are connected, and tells the engine which of them are silent, and which are heard again."""

    def __init__(self, driver: Driver, containers: Mapping[str, KnownContainer]) -> None:
        self._driver = driver
        self._containers = containers
        self._timer: asyncio.TimerHandle | None = None
        self._silent_hosts: set[str] = set()

    def start(self) -> None:
        """Begin to ask."""
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._beat)

    def stop(self) -> None:
        """Ask no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self.start()
        events: list[e.Event] = []
        for container_id, container in self._containers.items():
            if container.control is None or container.executor is None or container.frozen:
                container.asked.clear()  # one whose process is stopped answers none, which is known by other means
            container.missed = container.missed + 1 if container.asked else 0
            if container.missed >= SILENT_AFTER:
                events += self._silent(container_id, container)
            elif container.control is not None:
                container.control.send((m.AskStandstill(),))
                container.asked.append(0.0)
        if events:
            self._driver.take(*events)

    def _silent(self, container_id: str, container: KnownContainer) -> list[e.Event]:
        lost = container.missed >= LOST_AFTER
        if container.silent and not lost:
            return []
        seconds = container.missed * INTERVAL
        reason = f"has not answered for {seconds:g} s"
        if not container.silent:
            logger.warning("container %s %s: it gets no new inputs until it does", container_id, reason)
        container.silent = True
        return [e.ContainerSilent(container_id, reason, lost)]

    def answered(self, container_id: str, container: KnownContainer) -> list[e.Event]:
        """A container has answered the oldest question."""
        container.missed = 0
        if not container.silent or container.note.host in self._silent_hosts:
            return []
        container.silent = False
        logger.warning("container %s answers again", container_id)
        return [e.ContainerHeard(container_id)]

    def host_silent(self, reason: str, host_id: str = OWN_HOST) -> None:
        """What has the containers of a host does not answer."""
        self._silent_hosts.add(host_id)
        events: list[e.Event] = []
        for container_id, container in self._of(host_id):
            container.silent = True
            events.append(e.ContainerSilent(container_id, f"is out of reach: {reason}"))
        if events:
            self._driver.take(*events)

    def host_heard(self, host_id: str = OWN_HOST) -> None:
        """It answers again, or is gone: then all are that it had."""
        self._silent_hosts.discard(host_id)
        events: list[e.Event] = []
        for container_id, container in self._of(host_id):
            if container.silent and container.missed < SILENT_AFTER:
                container.silent = False
                events.append(e.ContainerHeard(container_id))
        if events:
            self._driver.take(*events)

    def _of(self, host_id: str) -> list[tuple[str, KnownContainer]]:
        return [(each, container) for each, container in self._containers.items() if container.note.host == host_id]
