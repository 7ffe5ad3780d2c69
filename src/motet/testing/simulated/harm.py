"""What goes wrong in a simulated world: one method for each kind of fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from motet.testing.history_events import Event, Fault
from motet.testing.history_told import NEVER
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.client import ScriptedClient
from motet.testing.simulated.disk import SimulatedDisk
from motet.testing.simulated.host import HostedBackend, SimulatedHost
from motet.testing.simulated.loop import SimulatedLoop
from motet.testing.simulated.plan import LEASE, FaultKind
from motet.testing.simulated.process import SimulatedProcess


class Harmed(Protocol):
    """A world, as far as it can be harmed. `cables`: those of clients, by their names."""

    dice: Random
    loop: SimulatedLoop
    host: SimulatedHost
    disk: SimulatedDisk
    disk_delay: float
    backend: HostedBackend | None
    server: SimulatedProcess | None
    cables: dict[str, Cable]

    @property
    def clients(self) -> Sequence[ScriptedClient]: ...

    def replace_server(self) -> None: ...

    def cut_leader(self) -> tuple[Callable[[], bool], Callable[[], None]]: ...

    def keep_away(self, seconds: float) -> None: ...

    def write(self, event: Event) -> None: ...


class Harm:
    """Does harm to one world, to parts of it that its dice choose."""

    def __init__(self, world: Harmed) -> None:
        self._world = world
        self._kinds: dict[FaultKind, Callable[[], None]] = {
            "server crashes": self._crash_server,
            "server is away": self._keep_server_away,
            "server pauses": self._pause_server,
            "server is replaced": self._replace_server,
            "leader is cut off": self._cut_leader,
            "disk fails": self._break_disk,
            "disk is slow": self._slow_disk,
            "commit is unclear": self._blur_commit,
            "container dies": self._kill_container,
            "container freezes": self._freeze_container,
            "container is cut off": self._cut_container,
            "connection is held up": self._hold_connection,
            "agent dies": self._kill_agent,
            "agent is held up": self._hold_agent,
            "host is held up": self._hold_host,
            "host is cut off": self._cut_host,
            "client is held up": self._hold_client,
            "client is cut off": self._cut_client,
            "client dies": self._kill_client,
            "wall clock jumps": self._jump,
        }

    def do(self, kind: FaultKind) -> None:
        """One fault of this kind, if there is anything to do it to."""
        self._kinds[kind]()

    def _fault(self, kind: str, target: str) -> None:
        self._world.write(Fault(at=self._world.loop.time(), kind=kind, target=target))

    def _later(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        self._world.loop.call_later(seconds, act, *args)

    def _crash_server(self) -> None:
        if self._world.server is not None and self._world.server.is_alive:
            self._fault("crash", self._world.server.name)
            self._world.server.die_in(
                self._world.dice.choice((0, 1, self._world.dice.randrange(10), self._world.dice.randrange(200)))
            )
            self._later(1.0, self._world.server.die)

    def _keep_server_away(self) -> None:
        """It is killed, and the next one comes late: most clients have given up by then."""
        if self._world.server is not None and self._world.server.is_alive and self._world.dice.random() < 0.3:
            self._fault("away", self._world.server.name)
            self._world.keep_away(self._world.dice.choice((8.0, 70.0, 150.0, 200.0)))
            self._world.server.die()

    def _pause_server(self) -> None:
        server = self._world.server
        if server is not None and server.is_alive and not server.is_paused:
            self._fault("pause", server.name)
            server.pause()
            self._later(self._world.dice.choice((0.2, 2.0, 15.0)), server.go_on)

    def _replace_server(self) -> None:
        """It hangs, and another one takes over; then it wakes up, and may do no harm until it is ended."""
        server = self._world.server
        if server is not None and server.is_alive and not server.is_paused:
            for name in (server.name, *self._world.host.containers):
                self._fault("replace", name)
            server.pause()
            self._world.replace_server()
            self._later(self._world.dice.choice((0.5, 3.0)), server.go_on)
            self._later(5.0, server.die)

    def _cut_leader(self) -> None:
        """It does not reach its database, and goes on with what it has. Another one leads when the lease is over; clients go
        over to that sooner or later, and the first ends when it reaches the database again."""
        world = self._world
        server, dice = world.server, world.dice
        if server is None or not server.is_alive or server.is_paused or world.host.is_cut:
            return
        self._fault("database is cut off", server.name)
        is_cut_off, reach = world.cut_leader()
        clients = [it.process.name for it in world.clients]

        def replace() -> None:
            if not is_cut_off() or world.server is not server or not server.is_alive:
                return  # it has renewed its lease; or it has died, and the next one has come
            for name in (server.name, *world.host.containers):
                self._fault("replace", name)
            world.replace_server()
            for name in clients:
                self._later(dice.choice((0.0, 0.5, 3.0, 10.0)), self._go_over, name, world.cables.get(name))

        self._later(LEASE, replace)
        self._later(dice.choice((0.5, 3.0, 8.0, 20.0)), reach)

    def _go_over(self, name: str, before: Cable | None) -> None:
        if before is not None and before is self._world.cables.get(name):
            self._fault("cut", name)
            before.cut()

    def _break_disk(self) -> None:
        self._fault("break", "disk")
        self._world.disk.problem = self._world.dice.choice(("it is full", "input/output error", "it is read-only"))
        self._later(self._world.dice.choice((0.2, 2.0, 8.0)), self._mend_disk)

    def _slow_disk(self) -> None:
        """Each commit, and each question, takes so long."""
        self._fault("slow", "disk")
        self._world.disk_delay = self._world.dice.choice((0.3, 2.0, 5.0))
        self._later(self._world.dice.choice((1.0, 5.0, 15.0)), self._quick_disk)

    def _quick_disk(self) -> None:
        self._world.disk_delay = 0.0

    def _blur_commit(self) -> None:
        self._fault("blur", "disk")
        self._world.disk.unclear = self._world.dice.choice((1, 1, 3))

    def _mend_disk(self) -> None:
        self._world.disk.problem = ""

    def _container(self) -> str | None:
        names = list(self._world.host.containers)
        return self._world.dice.choice(names) if names else None

    def _kill_container(self) -> None:
        if (name := self._container()) is not None:
            self._world.host.harm(name)

    def _freeze_container(self) -> None:
        if (name := self._container()) is not None:
            self._world.host.freeze(name, frozen=True)
            self._later(self._world.dice.choice((0.2, 3.0, 30.0)), lambda: self._world.host.freeze(name, frozen=False))

    def _cut_container(self) -> None:
        """Its server gives it up, and has it killed."""
        if (name := self._container()) is not None:
            self._fault("cut", name)
            connection = self._world.host.containers[name].connection(is_control=False)
            if connection is not None:
                connection.cut()

    def _hold_connection(self) -> None:
        """One of a container's two: what comes over the other overtakes it."""
        if (name := self._container()) is not None:
            cable = self._world.host.containers[name].connection(is_control=self._world.dice.random() < 0.5)
            if cable is not None:
                self._fault("hold", name)
                cable.hold(True)
                self._later(self._world.dice.choice((0.2, 2.0, 8.0)), cable.hold, False)

    def _hold_agent(self) -> None:
        """What the server has it do comes late, or never, if that server dies meanwhile."""
        if (backend := self._world.backend) is not None:
            self._fault("hold", "agent")
            backend.hold(True)
            self._later(self._world.dice.choice((0.2, 2.0, 8.0)), backend.hold, False)

    def _kill_agent(self) -> None:
        self._fault("kill", "host")
        self._world.host.end_all()

    def _hold_host(self) -> None:
        cables, backend = self._world.host.cables, self._world.backend
        for name in self._world.host.containers:
            self._fault("hold", name)
        for each in (*cables, *(() if backend is None else (backend,))):
            each.hold(True)
            self._later(self._world.dice.choice((0.2, 2.0, 8.0)), each.hold, False)

    def _cut_host(self) -> None:
        """Nobody hears of it, and it of nobody; for so long that it is given up, or for ever."""
        host = self._world.host
        if not host.is_cut and self._world.dice.random() < 0.5:
            host.cut()
            seconds = self._world.dice.choice((5.0, 15.0, 90.0, NEVER))
            if seconds < NEVER:
                self._later(seconds, host.heal)

    def _client(self) -> ScriptedClient | None:
        living = [it for it in self._world.clients if it.process.is_alive and it.process.name in self._world.cables]
        return self._world.dice.choice(living) if living else None

    def _hold_client(self) -> None:
        if (client := self._client()) is not None:
            self._fault("hold", client.process.name)
            cable = self._world.cables[client.process.name]
            cable.hold(True)
            self._later(self._world.dice.choice((0.2, 2.0, 30.0)), cable.hold, False)

    def _cut_client(self) -> None:
        if (client := self._client()) is not None:
            self._fault("cut", client.process.name)
            self._world.cables[client.process.name].cut()

    def _kill_client(self) -> None:
        if (client := self._client()) is not None and self._world.dice.random() < 0.5:
            self._fault("kill", client.process.name)
            client.process.die()

    def _jump(self) -> None:
        if self._world.server is not None:
            self._fault("clock", self._world.server.name)
            self._world.server.wall_offset += self._world.dice.choice((-3600.0, -1.0, 1.0, 3600.0))
