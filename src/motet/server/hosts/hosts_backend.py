"""Containers on several hosts: on the server's own machine by its backend, on those that have joined by their agents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from motet.backends.base import NOT_STARTED, Backend, ContainerEnd, HostReports, Launch, Reports
from motet.errors import ConnectionError
from motet.model.gpu import FoundGpus
from motet.model.host import OWN_HOST, why_not_a_host
from motet.model.isolation import Isolation
from motet.server.access.door import Principal
from motet.server.access.rights import HOST
from motet.server.hosts.bundle_source import BundleSource, FetchHandler
from motet.server.hosts.joined_host import HostHandler, JoinedHost
from motet.server.peers import Peer
from motet.store.base import BundleStore
from motet.wire.hello import PYTHON, Hello
from motet.wire.host_messages import HostJoins

MOST_HOSTS = 1000
"""That have joined at the same time."""


class HostsBackend:
    """A `Backend`: `own`, and beside it what has joined. `app_users`: containers of each app are a user of the own machine,
    which no other one has. `bundles`: where source is kept that hosts get."""

    def __init__(
        self, own: Backend, wall_now: Callable[[], float], bundles: BundleStore | None, *, app_users: bool = False
    ) -> None:
        self._own = own
        self._wall_now = wall_now
        self._bundles = BundleSource(bundles)
        self._app_users = app_users
        self._reports: HostReports | None = None
        self._hosts: dict[str, JoinedHost] = {}

    # --- hosts ----------------------------------------------------------------------------------------------------------

    def accept(self, hello: Hello, principal: Principal, peer: Peer) -> HostHandler:
        """What hears the connection of an agent that speaks for this principal. Raises `ConnectionError`."""
        if HOST not in principal.rights:
            raise ConnectionError(
                f"the token {principal.name!r} has no right 'host' (`motet token new NAME --right host`)"
            )
        if self._app_users:
            raise ConnectionError(
                "this server is root, has containers be users of its own machine, and so takes no hosts (MOTET_APP_USERS=off: "
                "it does)"
            )
        if _minor(hello.python) != _minor(PYTHON):
            raise ConnectionError(
                f"this host has Python {hello.python}, and the server {PYTHON}: have it join with a Python {_minor(PYTHON)}"
            )
        return HostHandler(
            peer,
            lambda joins, peer: self._join(principal, joins, peer),
            lambda fetches, peer: FetchHandler(self._bundles, peer, lambda: self._is_here(principal, fetches.agent)),
        )

    def _is_here(self, principal: Principal, agent: str) -> bool:
        return any(
            host.agent == agent and host.principal.identity == principal.identity for host in self._hosts.values()
        )

    @property
    def takes_bundles(self) -> bool:
        """Whether a host has joined that programs can travel to."""
        return any(host.spec.bundles for host in self._hosts.values())

    def cut_off(self, name: str, reason: str) -> None:
        """The principal of this name may have no hosts here any more."""
        for host in list(self._hosts.values()):
            if host.principal.name == name:
                host.give_up(f"may not be here any more: {reason}")

    def _join(self, principal: Principal, joins: HostJoins, peer: Peer) -> JoinedHost:
        host_id, known = joins.host.host_id, self._hosts.get(joins.host.host_id)
        if self._reports is None:
            raise ConnectionError("this server is starting, or ends")
        if problem := why_not_a_host(joins.host):
            raise ConnectionError(problem)
        if known is not None and known.agent != joins.agent:
            if not known.spec.silent or known.principal.identity != principal.identity:
                raise ConnectionError(
                    f"a host called {host_id} is here already: choose another name (--name), or end that agent"
                )
            known.give_up("was started again")
            known = None
        if known is None:
            if len(self._hosts) >= MOST_HOSTS:
                raise ConnectionError(f"{MOST_HOSTS} hosts have joined, and more may not")
            spec = replace(joins.host, silent="")
            known = self._hosts[host_id] = JoinedHost(
                *(spec, joins.agent, principal, self._wall_now, self._reports, self._gone),
                lambda: self._bundles.here(),  # noqa: PLW0108 - what is here changes
            )
            self._reports.host_joined(spec)
        known.attach(peer, joins)
        return known

    def _gone(self, host: JoinedHost) -> None:
        if self._hosts.get(host.spec.host_id) is host:
            del self._hosts[host.spec.host_id]

    def _of(self, container_id: str) -> JoinedHost | None:
        return next((host for host in self._hosts.values() if container_id in host.containers), None)

    def offer(self, bundles: Callable[[], Mapping[str, Path]]) -> None:
        """Hosts may have these: by digest, where each lies."""
        self._bundles.here = bundles

    # --- see `Backend` --------------------------------------------------------------------------------------------------

    def report_to(self, reports: HostReports) -> None:
        """Hosts may join from now on, and this is told of them."""
        self._reports = reports

    async def open(self, reports: Reports) -> None:
        """See `Backend`."""
        await self._own.open(reports)

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`."""
        return self._own.lacks(isolation)

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`: those of the own machine. Hosts say what they have when they join."""
        return await self._own.find_gpus()

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        if launch.host == OWN_HOST:
            self._own.start_nowait(launch)
        elif (host := self._hosts.get(launch.host)) is not None:
            host.start_nowait(launch)
        elif self._reports is not None:  # it was lost just now, which the engine is told next
            reason = f"could not be started: host {launch.host} is gone"
            self._reports.container_ended(
                ContainerEnd(container_id=launch.container_id, code=NOT_STARTED, reason=reason, blameless=True)
            )

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        host = self._of(container_id)
        (self._own if host is None else host).kill_nowait(container_id)

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`. What a container elsewhere wrote past its connection is on its way."""
        self._own.report_output_nowait(container_id)

    def silence(self) -> float | None:
        """See `Backend`."""
        return self._own.silence()

    async def close(self) -> None:
        """See `Backend`."""
        self._reports = None
        for host in list(self._hosts.values()):
            host.send_away()
        self._hosts.clear()
        await self._own.close()


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
