"""The cluster of a server that stays: found before the server serves, and told where it is when it does."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from motet.client.addresses import endpoint
from motet.clusters.driver_link import DriverLink
from motet.errors import InvalidError
from motet.server.access.door import HomeDoor
from motet.server.access.rights import HOST
from motet.server.cluster.elastic_hosts import ElasticHosts
from motet.server.config import ServerConfig
from motet.server.driver import logger
from motet.server.port.config import is_loopback

if TYPE_CHECKING:
    from motet.server.server import Server

PRINCIPAL = "cluster"
"""Whose the agents are."""


class ServerCluster:
    """That of one server; without a cluster in its configuration, it does nothing."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._hosts: ElasticHosts | None = None

    async def find(self, run: str, say: Callable[[str], None]) -> None:
        """Find it. `run` tells this server from those before it under its home. Raises `InvalidError` and `ServiceError`."""
        config = self._config
        if config.cluster is None:
            return
        if config.port is None:
            raise InvalidError(
                "containers on a cluster reach their server over a port: add --host 0.0.0.0 --tls, or --port and --tls where "
                "all nodes are on this machine"
            )
        self._hosts = ElasticHosts(DriverLink(config.cluster.env), config.cluster.keep)
        # Of this machine: what servers under this home have left there is told from what others have.
        home = hashlib.sha256(f"{socket.gethostname()}:{config.socket}".encode()).hexdigest()[:12]
        say(f"Containers run on {await self._hosts.find(config.cluster.address, home, run)}")

    def serve(self, server: Server, door: HomeDoor) -> None:
        """The server listens: agents may come."""
        hosts, port = self._hosts, server.port
        if hosts is None or port is None:
            return
        server.launched.share_hosts(hosts.take_part)
        address = self._config.advertised or port.address
        if is_loopback(endpoint(address).host):
            logger.warning("nodes on other machines cannot reach %s: --host 0.0.0.0 listens on all interfaces", address)
        hosts.serve(address, "" if port.tls is None else port.tls.fingerprint, door.new_own(PRINCIPAL, HOST))
        server.health.watch("cluster", lambda: hosts.problem, is_needed=False)

    async def close(self) -> None:
        """Give everything back. Idempotent."""
        if self._hosts is not None:
            await self._hosts.close()
