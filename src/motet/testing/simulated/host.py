"""A machine of a simulated world: a host agent with its containers, which outlive a server by a grace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from random import Random

from motet.agent.pings import Pings
from motet.backends.base import ContainerEnd, HeldContainer, Launch, Reports
from motet.model.gpu import FoundGpus
from motet.model.isolation import Isolation
from motet.server.containers.known_container import decode_note
from motet.server.server import Server
from motet.testing.history_events import ContainerBegan, ContainerVanished, Event, Fault
from motet.testing.history_hosts import CUT, HEALED
from motet.testing.simulated.cable import Cable, OneWay
from motet.testing.simulated.container import KILLED, ScriptedContainer
from motet.testing.simulated.process import SimulatedProcess

Reached = tuple[SimulatedProcess, Server]
"""A server that can be connected to."""
Connect = Callable[[Reached | None, SimulatedProcess, Callable[[bytes], None], Callable[[], None]], Cable | None]


LEARNS_AFTER = (0.0, 0.5, 5.0)
"""Seconds after which a host that is heard again knows that it was given up."""


class SimulatedHost:
    """Has one server at a time: the last to attach. `run` counts them; a server tells a new agent which one it is."""

    forgets_runs = False
    """It does not: for a test of what comes of that."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        dice: Random,
        grace: float,
        connect: Connect,
        write: Callable[[Event], None],
    ) -> None:
        self.containers: dict[str, ScriptedContainer] = {}
        self.cables: list[Cable] = []
        self.is_replaced = False
        """Its server does not lead any more, whatever that believes."""
        self.reached: Reached | None = None
        """The server that containers find, if there is one."""
        self.is_cut = self.is_given_up = False
        """Nothing comes through between it and servers; servers have another one since."""
        self._reached_now: Callable[[], Reached | None] = lambda: None
        self._loop = loop
        self._dice = dice
        self._grace = grace
        self._connect = connect
        self._write = write
        self._offset, self._rate = dice.uniform(-1000.0, 1000.0), dice.uniform(0.999, 1.001)
        self.run = 0
        self._backend: HostedBackend | None = None
        self._last: HostedBackend | None = None
        """The last one to attach, also when its server is gone."""
        self._end: asyncio.TimerHandle | None = None

    # --- servers come and go ------------------------------------------------------------------------------------------

    def attach(self, server: SimulatedProcess) -> HostedBackend:
        """A server takes over what there is."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self.run += 1
        backend = self._backend = self._last = HostedBackend(self, self._loop, self._dice, server)
        backend.run = self.run
        server.on_death.append(lambda: self.is_gone(backend))
        backend.held = [
            HeldContainer(it.container_id, it.note, it.is_frozen, b"", b"") for it in self.containers.values()
        ]
        backend.known.update(self.containers)
        return backend

    def adopt(self, backend: HostedBackend) -> None:
        """A server that has given another host up has this one now."""
        self.run = backend.run
        self._backend = self._last = backend
        backend.server.on_death.append(lambda: self.is_gone(backend))

    def hear(self, backend: HostedBackend, act: Callable[[], None]) -> None:
        """A server has something done. One that another has come after is not heard any more."""
        if backend is self._last and not self.is_given_up:
            act()

    def give_up(self, reached: Callable[[], Reached | None]) -> None:
        """Servers have another one from now on. What this one has goes on, until it is heard again and knows; containers find
        the server that is `reached` then."""
        self.is_given_up = True
        self._reached_now = reached
        self._backend = None
        if self._end is not None:
            self._end.cancel()

    def cut(self) -> None:
        """Let nothing through between it and servers."""
        self.is_cut = True
        self._fault(CUT)
        self._hold(True)

    def heal(self) -> None:
        """Let everything through again, and first what was held up."""
        self.is_cut = False
        self._fault(HEALED)
        self._hold(False)
        if self.is_given_up:
            self._loop.call_later(self._dice.choice(LEARNS_AFTER), self.end_all)

    def _fault(self, kind: str) -> None:
        for container_id in self.containers:
            self._write(Fault(at=self._loop.time(), kind=kind, target=container_id))

    def _hold(self, held: bool) -> None:
        for cable in self.cables:
            cable.hold(held)
        if self._backend is not None:
            self._backend.hold(held)

    def is_gone(self, backend: HostedBackend) -> None:
        """A server is: what there is waits for the next one."""
        if self._backend is backend:
            self.reached = None
            self._backend = None
            self._end = self._loop.call_later(self._grace, self.end_all)

    def end_all(self) -> None:
        """The agent ends, or is ended, with all it has. The next server, or this one, starts another."""
        self.run = 0 if self._backend is None or self.forgets_runs else self._backend.run
        for container_id in list(self.containers):
            self._vanish(container_id, KILLED, "the host agent ended", blameless=True)
        if self._backend is not None:
            self._backend.tell("lost")

    # --- containers ---------------------------------------------------------------------------------------------------

    def launch(self, launch: Launch) -> None:
        """Start a container."""
        process = SimulatedProcess(launch.container_id, self._loop)
        container = process.context.run(ScriptedContainer, launch, process, self, self._loop.time)
        self.containers[launch.container_id] = container
        note = decode_note(launch.note)
        self._write(ContainerBegan(at=self._loop.time(), container=launch.container_id, function=note.function_name))
        if self.is_replaced:
            self._write(Fault(at=self._loop.time(), kind="replace", target=launch.container_id))
        self._loop.call_soon(container.start, context=process.context)

    def kill(self, container_id: str) -> None:
        """End a container, as SIGKILL does."""
        if container_id in self.containers:
            self._vanish(container_id, KILLED, "killed by its server")

    def ended(self, container_id: str, code: int) -> None:
        """A container ends by itself."""
        if container_id in self.containers:
            self._vanish(container_id, code, f"exited with status {code}")

    def harm(self, container_id: str) -> None:
        """Somebody kills it."""
        self._write(Fault(at=self._loop.time(), kind="kill", target=container_id))
        self._vanish(container_id, KILLED, "killed from outside")

    def freeze(self, container_id: str, *, frozen: bool) -> None:
        """Its process is stopped, or goes on."""
        container = self.containers.get(container_id)
        if container is None or container.is_frozen == frozen:
            return
        self._write(Fault(at=self._loop.time(), kind="freeze" if frozen else "thaw", target=container_id))
        container.is_frozen = frozen
        if frozen:
            container.process.pause()
        else:
            container.process.go_on()
        if self._backend is not None:
            self._backend.tell((container_id, frozen))

    def _vanish(self, container_id: str, code: int, why: str, *, blameless: bool = False) -> None:
        container = self.containers.pop(container_id)
        container.process.die()
        self._write(ContainerVanished(at=self._loop.time(), container=container_id, reason=why))
        if self._backend is not None:
            ended = ContainerEnd(container_id=container_id, code=code, reason=None, blameless=blameless)
            self._backend.tell(ended)

    # --- see `ContainerPlace` -----------------------------------------------------------------------------------------

    def connect(
        self, process: SimulatedProcess, receive: Callable[[bytes], None], closed: Callable[[], None]
    ) -> Cable | None:
        """See `ContainerPlace`."""
        if self.is_cut:
            return None
        cable = self._connect(self._reached_now() if self.is_given_up else self.reached, process, receive, closed)
        if cable is not None:
            self.cables = [each for each in self.cables if each.is_open]
            self.cables.append(cable)
        return cable

    def clock(self) -> float:
        """See `ContainerPlace`."""
        return self._loop.time() * self._rate + self._offset

    def write(self, event: Event) -> None:
        """See `ContainerPlace`."""
        self._write(event)

    def load_seconds(self) -> float:
        """See `ContainerPlace`."""
        return self._dice.choice((0.0, 0.01, 0.1, 1.0))


class HostedBackend:
    """A `Backend` whose containers are a host's. For one server, as `AgentBackend` is."""

    def __init__(
        self, host: SimulatedHost, loop: asyncio.AbstractEventLoop, dice: Random, server: SimulatedProcess
    ) -> None:
        self.server = server
        self.held: list[HeldContainer] = []
        self.run = 0
        self.known: dict[str, object] = {}
        """Those that have not been reported as ended."""
        self._loop = loop
        self._reports: Reports | None = None
        self._early: list[object] = []
        self._closed = asyncio.Event()
        self.on_open: Callable[[], None] = lambda: None
        """Is called when containers may come."""
        self.elsewhere: Callable[[], SimulatedHost] | None = None
        """Gives another host, instead of one that is lost."""
        self._dice = dice
        self._pings = Pings(self._ask, self._silent, self._answers, self._lost)
        self._connect(host)

    def _connect(self, host: SimulatedHost) -> None:
        self.host = host
        delay = lambda: self._dice.choice((0.0, 0.0, 0.001, 0.02))  # noqa: E731 - of both directions
        self._to_server = OneWay(self._loop, self.server.context, self._heard, delay)
        self._to_host = OneWay(self._loop, Context(), lambda act: host.hear(self, act), delay)

    # --- whether it answers -------------------------------------------------------------------------------------------

    def _ask(self, number: int) -> None:
        self._to_host.send(lambda: self.tell(number))

    def _silent(self, seconds: float) -> None:
        if self._reports is not None:
            self._reports.backend_silent(f"the host has not answered for {seconds:g} s")

    def _answers(self) -> None:
        if self._reports is not None:
            self._reports.backend_heard()

    def _lost(self) -> None:
        """It is given up, with all that it has; what is started from now on starts elsewhere."""
        if self._reports is None or self.elsewhere is None:
            return
        lost, self.known = list(self.known), {}
        self._connect(self.elsewhere())  # first: what is told makes the engine start others
        self.host.adopt(self)
        for container_id in lost:
            reason = "was lost because its host does not answer"
            self._reports.container_ended(
                ContainerEnd(container_id=container_id, code=KILLED, reason=reason, blameless=True)
            )
        self._reports.backend_lost("the host does not answer")
        self._pings.start()

    # --- what it says -------------------------------------------------------------------------------------------------

    def tell(self, what: object) -> None:
        """The host says something."""
        self._to_server.send(what)

    def hold(self, held: bool) -> None:
        """Let nothing through between server and host, or again everything."""
        self._to_server.hold(held)
        self._to_host.hold(held)

    def _heard(self, what: object) -> None:
        if self._reports is None:
            self._early.append(what)
        elif isinstance(what, ContainerEnd):
            if self.known.pop(what.container_id, None) is not None:
                self._reports.container_ended(what)
        elif isinstance(what, tuple):
            container_id, frozen = what
            if container_id in self.known:
                (self._reports.container_frozen if frozen else self._reports.container_thawed)(container_id)
        elif isinstance(what, int):
            self._pings.answered(what)
        elif what == "lost":
            self._reports.backend_lost("the host agent ended")
        else:
            self._closed.set()

    # --- see `Backend` ------------------------------------------------------------------------------------------------

    async def open(self, reports: Reports) -> None:
        """See `Backend`."""
        self._reports = reports
        self._pings.start()
        self.on_open()
        early, self._early = self._early, []
        for what in early:
            self._heard(what)

    def lacks(self, isolation: Isolation) -> str | None:
        """See `Backend`: containers that are no processes need no walls."""
        return None

    async def find_gpus(self) -> FoundGpus:
        """See `Backend`."""
        await asyncio.sleep(0)
        return FoundGpus(note="it is made up")

    def silence(self) -> None:
        """See `Backend`."""

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        self.known[launch.container_id] = launch
        self._to_host.send(lambda: self.host.launch(launch))

    def kill_nowait(self, container_id: str) -> None:
        """See `Backend`."""
        if container_id in self.known:
            self._to_host.send(lambda: self.host.kill(container_id))

    def report_output_nowait(self, container_id: str) -> None:
        """See `Backend`."""

    async def close(self) -> None:
        """See `Backend`."""
        self._pings.stop()
        if self._closed.is_set():
            return
        self._to_host.send(self.host.end_all)
        self._to_host.send(lambda: self.tell("closed"))
        await self._closed.wait()

    async def leave(self) -> None:
        """Leave everything to the next server."""
        self._pings.stop()
        self._to_host.send(lambda: self.host.is_gone(self))
