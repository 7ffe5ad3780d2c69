"""The machines of a world whose server stays: each with its containers, which can be cut off, and outlive servers."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextvars import Context

from motet.agent.pings import Pings
from motet.backends.base import ContainerEnd, HeldContainer, Launch, Reports, Stream
from motet.client.connection import Connection
from motet.client.running_app import RunningApp, enter_container_app
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation
from motet.server.server import Server
from motet.testing.attempts import AttemptLog
from motet.testing.container import WorldContainer
from motet.testing.pipe import Pipe
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.container import frames_into
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.staying_container import CablePipe, StayingContainer
from motet.testing.world_loop import WorldLoop
from motet.wire.container_messages import Configure

KILLED = -int(signal.SIGKILL)

HEARD_AFTER = 0.002
"""Seconds after which a host is heard: what a container had said before it ended is there by then."""


GIVEN_UP_AFTER = 1.0
"""Seconds after which a host that is back ends what it has, if its server has another one since."""


class WorldHost:
    """A machine of a world. `is_cut`: nothing comes through between it and the server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_cut = False
        self.containers: dict[str, StayingContainer] = {}
        self.unheard: list[Callable[[], None]] = []
        """What it and the server have said to each other since it was cut off."""

    def __repr__(self) -> str:
        return f"<WorldHost {self.name}: {len(self.containers)} containers{', cut off' if self.is_cut else ''}>"


class Hosts:
    """All machines of a world, the oldest first. A server has one of them at a time: the last that it has not given up."""

    def __init__(self, loop: WorldLoop) -> None:
        self.all: list[WorldHost] = []
        self.attempts = AttemptLog()
        self.delays: dict[str, float] = {}
        self.connection = Connection()
        self.reached: tuple[SimulatedProcess, Server] | None = None
        """The server that containers find."""
        self.backend: HostBackend | None = None
        self.servers = 0
        self.loop = loop

    @property
    def containers(self) -> dict[str, WorldContainer]:
        """All that live, wherever."""
        return {name: it for host in self.all for name, it in host.containers.items()}

    def current(self) -> WorldHost:
        """The one on which a server that starts now has its containers."""
        if not self.all or self.all[-1].is_cut:
            self.all.append(WorldHost(f"host-{len(self.all) + 1}"))
        return self.all[-1]

    def attach(self, server: SimulatedProcess) -> HostBackend:
        """A server takes over what there is."""
        self.servers += 1
        self.backend = HostBackend(self, server, self.current())
        return self.backend

    def cut(self, host: WorldHost) -> None:
        """Let nothing through between this machine and the server."""
        host.is_cut = True
        for container in host.containers.values():
            for pipe in container.pipes.values():
                pipe.hold(True)

    def heal(self, host: WorldHost) -> None:
        """Let everything through again, and first what was held up."""
        host.is_cut = False
        for container in host.containers.values():
            if not container.is_frozen:
                for pipe in container.pipes.values():
                    pipe.hold(False)
        unheard, host.unheard = host.unheard, []
        for act in unheard:
            act()
        if self.backend is None or self.backend.host is not host:
            self.loop.call_later(GIVEN_UP_AFTER, self._end_all, host, context=Context())

    def _end_all(self, host: WorldHost) -> None:
        """Its server has given it up, which it knows by now."""
        for container_id in list(host.containers):
            self.end(container_id, KILLED)

    # --- see `WorldPlace` and `StayingOwner` -------------------------------------------------------------------------------

    def connect(self, role: str, receive: Callable[[memoryview], None], closed: Callable[[], None]) -> Pipe:
        """See `ContainerOwner`: these containers reach their server by `reach`."""
        raise NotImplementedError

    def reach(
        self, container: StayingContainer, role: str, receive: Callable[[memoryview], None], closed: Callable[[], None]
    ) -> CablePipe | None:
        """See `StayingOwner`."""
        if self.reached is None or self._host_of(container.container_id).is_cut:
            return None
        process, server = self.reached
        peer, far = server.new_peer(), container.process
        pipes: list[CablePipe] = []
        cable = Cable(
            self.loop, process, peer, far, frames_into(receive), closed, lambda: pipes[0].seconds if pipes else 0.0
        )
        pipe = CablePipe(cable)
        pipes.append(pipe)
        pipe.delay(self.delays.get(role, 0.0))
        return pipe

    def configured(self, configuration: Configure) -> None:
        """See `ContainerOwner`."""
        connection, c = self.connection, configuration
        enter_container_app(RunningApp(c.app_id, c.app_name, lambda: connection, c.functions, c.web_urls))

    def launch(self, launch: Launch, host: WorldHost) -> None:
        """Start a container."""
        container = StayingContainer(launch, self.loop, self, host.name)
        host.containers[launch.container_id] = container
        self.loop.call_soon(container.start, context=Context())

    def kill_nowait(self, container_id: str) -> None:
        """Have a container's process be killed."""
        self.end(container_id, KILLED)

    def end(self, container_id: str, code: int, *, blameless: bool = False) -> None:
        """A container ends."""
        host = self._host_of(container_id)
        container = host.containers.pop(container_id, None)
        if container is not None:
            container.vanish()
            ended = ContainerEnd(container_id=container_id, code=code, blameless=blameless)
            self._tell(host, lambda backend: backend.ended(ended))

    def freeze(self, container_id: str) -> None:
        """Its process is stopped by a signal."""
        self._froze(container_id, is_frozen=True)

    def thaw(self, container_id: str) -> None:
        """It goes on."""
        self._froze(container_id, is_frozen=False)

    def _froze(self, container_id: str, *, is_frozen: bool) -> None:
        host = self._host_of(container_id)
        host.containers[container_id].is_frozen = is_frozen
        self._tell(host, lambda backend: backend.froze(container_id, is_frozen=is_frozen))

    def is_frozen(self, container_id: str) -> bool:
        """Whether it is stopped."""
        container = self._host_of(container_id).containers.get(container_id)
        return container is not None and container.is_frozen

    def write(self, container_id: str, stream: Stream, data: bytes) -> None:
        """A container writes."""
        self._tell(self._host_of(container_id), lambda backend: backend.wrote(container_id, stream, data))

    def _host_of(self, container_id: str) -> WorldHost:
        return next((it for it in self.all if container_id in it.containers), self.all[-1])

    def _tell(self, host: WorldHost, tell: Callable[[HostBackend], None]) -> None:
        def act() -> None:
            if host.is_cut:
                host.unheard.append(act)
            elif self.backend is not None:
                tell(self.backend)

        self.loop.call_later(HEARD_AFTER, act, context=Context())


class HostBackend:
    """A `Backend` for one server: its containers are those of a host, until that is lost; then those of another."""

    def __init__(self, hosts: Hosts, server: SimulatedProcess, host: WorldHost) -> None:
        self.host = host
        self.held = [HeldContainer(name, it.note, it.is_frozen, b"", b"") for name, it in host.containers.items()]
        self.on_open: Callable[[], None] = lambda: None
        """Is called when containers may come."""
        self._hosts = hosts
        self._server = server
        self._known = dict.fromkeys(host.containers)
        """Those that have not been reported as ended."""
        self._reports: Reports | None = None
        self._early: list[Callable[[Reports], None]] = []
        self._pings = Pings(self._ask, self._silent, self._heard, self._lost)

    # --- what the host says -------------------------------------------------------------------------------------------

    def _report(self, report: Callable[[Reports], None]) -> None:
        def act() -> None:
            if self._reports is None:
                self._early.append(report)
            else:
                report(self._reports)

        self._hosts.loop.call_soon(act, context=self._server.context)

    def ended(self, ended: ContainerEnd) -> None:
        """A container has."""
        self._report(lambda reports: self._ended(ended, reports))

    def _ended(self, ended: ContainerEnd, reports: Reports) -> None:
        if ended.container_id in self._known:
            del self._known[ended.container_id]
            reports.container_ended(ended)

    def froze(self, container_id: str, *, is_frozen: bool) -> None:
        """A container was stopped, or goes on."""

        def report(reports: Reports) -> None:
            if container_id in self._known:
                (reports.container_frozen if is_frozen else reports.container_thawed)(container_id)

        self._report(report)

    def wrote(self, container_id: str, stream: Stream, data: bytes) -> None:
        """A container did."""

        def report(reports: Reports) -> None:
            if container_id in self._known:
                reports.container_output(container_id, stream, data)

        self._report(report)

    # --- whether it answers -------------------------------------------------------------------------------------------

    def _ask(self, number: int) -> None:
        if not self.host.is_cut:
            self._hosts.loop.call_soon(self._pings.answered, number)

    def _silent(self, seconds: float) -> None:
        assert self._reports is not None
        self._reports.backend_silent(f"{self.host.name} has not answered for {seconds:g} s")

    def _heard(self) -> None:
        assert self._reports is not None
        self._reports.backend_heard()

    def _lost(self) -> None:
        """It is given up, with all that it has; what is started from now on starts elsewhere."""
        assert self._reports is not None
        reason = f"{self.host.name} does not answer"
        self.host = self._hosts.current()  # first: what is told makes the engine start others
        for container_id in list(self._known):
            ended = ContainerEnd(
                container_id=container_id, code=KILLED, reason=f"was lost because {reason}", blameless=True
            )
            self._ended(ended, self._reports)
        self._reports.backend_lost(reason)
        self._pings.start()

    # --- see `Backend` ------------------------------------------------------------------------------------------------

    async def open(self, reports: Reports) -> None:
        """See `Backend`."""
        self._reports = reports
        self._pings.start()
        self.on_open()
        early, self._early = self._early, []
        for report in early:
            report(reports)

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`: containers that are no processes need no walls."""
        return None

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`."""
        await asyncio.sleep(0)
        return FoundGpus(note="it is made up")

    def silence(self) -> float | None:
        """See `Backend`."""
        return self._pings.silence

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        self._known[launch.container_id] = None
        host = self.host
        self._say(lambda: self._hosts.launch(launch, host))

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if container_id in self._known:
            self._say(lambda: self._hosts.end(container_id, KILLED))

    def _say(self, act: Callable[[], None]) -> None:
        if self.host.is_cut:
            self.host.unheard.append(act)
        else:
            self._hosts.loop.call_soon(act, context=Context())

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""

    async def close(self) -> None:
        """See `Backend`."""
        self._pings.stop()
        reports, self._reports = self._reports, None
        for container_id in list(self._known):
            self._hosts.end(container_id, KILLED)
            if reports is not None:
                self._ended(ContainerEnd(container_id=container_id, code=KILLED), reports)
        await asyncio.sleep(0)

    async def leave(self) -> None:
        """Leave everything to the next server."""
        self._pings.stop()
