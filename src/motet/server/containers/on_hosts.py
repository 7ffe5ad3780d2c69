"""What becomes of hosts, for the engine and for the containers that are on them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from motet.backends.base import ContainerEnd
from motet.core import events as e
from motet.model.host import HostSpec
from motet.server.apps.catalogue import Catalogue
from motet.server.bundles.placed import moved
from motet.server.containers.heartbeats import Heartbeats
from motet.server.containers.known_container import KnownContainer
from motet.server.driver import Driver
from motet.wire.container_messages import Configure


class OnHosts:
    """And what containers there are told. `end` is called for each one that is lost with its host: nobody else tells of it."""

    def __init__(
        self,
        driver: Driver,
        catalogue: Catalogue,
        containers: Mapping[str, KnownContainer],
        heartbeats: Heartbeats,
        end: Callable[[KnownContainer, ContainerEnd], None],
    ) -> None:
        self._driver = driver
        self._catalogue = catalogue
        self._containers = containers
        self._heartbeats = heartbeats
        self._end = end
        self.silent: set[str] = set()
        """The hosts that do not answer now."""
        self._bundles: dict[str, str] = {}
        """Where each host has bundles."""

    def configuration(self, function_id: str, host_id: str) -> Configure:
        """What a container of this function must know on that host."""
        configuration = self._catalogue.configuration(function_id)
        directory = self._bundles.get(host_id)
        if not configuration.bundle or not directory:
            return configuration
        return moved(configuration, Path(directory) / Path(configuration.bundle).name)

    def joined(self, host: HostSpec) -> None:
        """See `HostReports`."""
        self._bundles[host.host_id] = host.bundles
        self._driver.take(e.HostJoined(host))

    def changed(self, host: HostSpec) -> None:
        """See `HostReports`. Containers of one that is silent get no inputs."""
        self._bundles[host.host_id] = host.bundles
        was_silent = host.host_id in self.silent
        self._driver.take(e.HostChanged(host))
        if host.silent and not was_silent:
            self.silent.add(host.host_id)
            self._driver.guard(self._heartbeats.host_silent, host.silent, host.host_id)
        elif was_silent and not host.silent:
            self.silent.discard(host.host_id)
            self._driver.guard(self._heartbeats.host_heard, host.host_id)

    def lost(self, host_id: str, reason: str) -> None:
        """See `HostReports`. Whatever its containers may yet say is not heard any more."""
        self.silent.discard(host_id)
        self._bundles.pop(host_id, None)
        self._driver.take(e.HostLost(host_id, reason))
        self._driver.guard(self._heartbeats.host_heard, host_id)
        why = f"was lost with its host: {host_id} {reason}"
        for container_id, container in list(self._containers.items()):
            if container.note.host == host_id and container.ended is None:
                ended = ContainerEnd(container_id=container_id, code=-signal.SIGKILL, reason=why, blameless=True)
                self._end(container, ended)
