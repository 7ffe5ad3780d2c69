"""All that a server has its backend start, containers and sandboxes: their connections and reports find the right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from motet.backends.base import ContainerEnd, HostReports, Stream, TemplateEnd
from motet.core import events as e
from motet.errors import Error
from motet.model.host import HostSpec
from motet.model.sandbox import PREFIX
from motet.server.apps.catalogue import Catalogue
from motet.server.apps.lifetimes import Lifetimes, UntilReplaced
from motet.server.containers.come_back import Inherited
from motet.server.containers.containers import Containers
from motet.server.containers.walling import Walling
from motet.server.driver import Driver
from motet.server.hosts.hosts_backend import HostsBackend
from motet.server.images.room import ImagesRoom
from motet.server.lines import Lines
from motet.server.peers import Handler, SocketPeer
from motet.server.sandboxes.ended_sandboxes import EndedSandboxes
from motet.server.sandboxes.sandbox_images import SandboxImages
from motet.server.sandboxes.sandbox_requests import SandboxRequests
from motet.server.sandboxes.sandbox_walls import SandboxWalls
from motet.server.sandboxes.sandboxes import Sandboxes
from motet.server.sandboxes.tunnels import Tunnels
from motet.wire.hello import Hello


class LaunchSettings(Protocol):
    """What a server's configuration says of them."""

    @property
    def base_env(self) -> dict[str, str]: ...

    @property
    def stop_grace(self) -> float: ...

    @property
    def hidden(self) -> tuple[str, ...]: ...

    @property
    def app_users(self) -> bool: ...

    @property
    def ended_sandboxes(self) -> Path | None: ...


class _EnginePlaces:
    """The engine counts sandboxes as containers."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def refusal(self, principal: int, app_id: str) -> Error | None:
        return self._driver.engine.inspection.sandbox_refusal(principal, app_id)

    def taken(self, sandbox_id: str, principal: int, app_id: str) -> None:
        self._driver.take(e.SandboxStarted(sandbox_id, principal, app_id))

    def left(self, sandbox_id: str) -> None:
        self._driver.take(e.SandboxGone(sandbox_id))


class _LivingApps:
    def __init__(self, lifetimes: Lifetimes) -> None:
        self._lifetimes = lifetimes
        self.when_stopping: Callable[[str, Callable[[], None]], None] = lifetimes.when_stopping

    def ends_with(self, app_id: str) -> bool:
        return not isinstance(self._lifetimes.life_of(app_id), UntilReplaced)


class Launched:
    """Is told by the backend, and tells those whose it is. `inherited`: what lived before this server."""

    def __init__(
        self,
        driver: Driver,
        backend: HostsBackend,
        catalogue: Catalogue,
        lifetimes: Lifetimes,
        lines: Lines,
        images: ImagesRoom,
        config: LaunchSettings,
        inherited: Inherited | None,
    ) -> None:
        walling = Walling(config.hidden, app_users=config.app_users)
        held = () if inherited is None else inherited.held
        theirs = [each for each in held if each.container_id.startswith(PREFIX)]
        others = [each for each in held if not each.container_id.startswith(PREFIX)]
        self.containers = Containers(
            *(driver, backend, catalogue, lines, dict(config.base_env), config.stop_grace, walling),
            inherited if inherited is None else replace(inherited, held=others),
        )
        backend.offer(lambda: catalogue.bundles)
        parts = driver.clock, backend, _LivingApps(lifetimes), _EnginePlaces(driver)
        walls = SandboxWalls(catalogue.levels, walling)
        self.sandboxes = Sandboxes(*parts, walls, lines, config.base_env, survive=inherited is not None)
        if config.ended_sandboxes is not None:
            self.sandboxes.keep(EndedSandboxes(config.ended_sandboxes))
        settling, tunnels = SandboxImages(images.builder, builds=images.builds), Tunnels(driver.clock.wall_now)
        self.requests = SandboxRequests(self.sandboxes, settling, tunnels)
        self._driver, self._backend, self._held = driver, backend, theirs
        self._levels = catalogue.levels
        self._sockets = () if inherited is None else inherited.sockets

    async def open(self, address: str) -> None:
        """Get the backend ready: what it starts connects to this address. Raises `ServiceError`."""
        self._levels.check_default()
        self.containers.walling.offer(address)
        for path in self._sockets:
            self.containers.walling.name_again(f"unix:{path}")
        await self._backend.open(self)
        self._backend.report_to(self)

    def share_hosts(self, take_part: Callable[[Driver, HostsBackend, HostReports], None]) -> None:
        """What finds hosts elsewhere takes part from now on, and tells of hosts in place of the backend."""
        take_part(self._driver, self._backend, self)

    async def take_over(self) -> None:
        """Wait until what lived when this server began is back, or is gone."""
        self.sandboxes.await_back(self._held)
        await self.containers.take_over()
        await self.sandboxes.all_back()

    def accept(self, hello: Hello, peer: SocketPeer) -> Handler | None:
        """Who hears a connection of something that was started here; None: one of code in a container that makes calls. Raises
        `ConnectionError` unless it is ours."""
        if hello.role == "sandbox":
            return self.sandboxes.connect(hello, peer)
        self.containers.check(hello)
        if hello.role == "executor":
            return self.containers.executor(hello, peer)
        return self.containers.control(hello, peer) if hello.role == "control" else None

    # --- reports of the backend -----------------------------------------------------------------------------------------

    def container_output(self, container_id: str, stream: Stream, data: bytes) -> None:
        """See `Reports`."""
        if container_id.startswith(PREFIX):
            self._driver.guard(self.sandboxes.container_output, container_id, stream, data)
        else:
            self.containers.container_output(container_id, stream, data)

    def container_frozen(self, container_id: str) -> None:
        """See `Reports`."""
        self.containers.container_frozen(container_id)

    def container_thawed(self, container_id: str) -> None:
        """See `Reports`."""
        self.containers.container_thawed(container_id)

    def container_ended(self, ended: ContainerEnd) -> None:
        """See `Reports`."""
        if ended.container_id.startswith(PREFIX):
            self._driver.guard(self.sandboxes.container_ended, ended)
        else:
            self.containers.container_ended(ended)

    def host_joined(self, host: HostSpec) -> None:
        """See `Reports`."""
        self.containers.on_hosts.joined(host)

    def host_changed(self, host: HostSpec) -> None:
        """See `Reports`."""
        self.containers.on_hosts.changed(host)

    def host_lost(self, host_id: str, reason: str) -> None:
        """See `Reports`."""
        self.containers.on_hosts.lost(host_id, reason)

    def template_ended(self, ended: TemplateEnd) -> None:
        """See `Reports`."""
        self.containers.template_ended(ended)

    def backend_silent(self, reason: str) -> None:
        """See `Reports`."""
        self.containers.backend_silent(reason)

    def backend_heard(self) -> None:
        """See `Reports`."""
        self.containers.backend_heard()

    def backend_lost(self, reason: str) -> None:
        """See `Reports`."""
        self.containers.backend_lost(reason)
