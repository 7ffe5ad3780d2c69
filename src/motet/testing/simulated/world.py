"""A simulated world: a seed decides all that happens in it, and the history that it leaves says what did."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from motet.client import ground
from motet.client.peer_process import PeerProcess
from motet.core.host import HostLimits
from motet.errors import InvalidError
from motet.model.function import AppSpec, FunctionSpec
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, DEPLOY, LOOK
from motet.server.access.tokens import Tokens
from motet.server.config import ServerConfig
from motet.server.containers.come_back import Inherited
from motet.server.server import Server
from motet.server.wiring import ATTEMPT_BITS, build_server
from motet.testing.history_events import BoundsDeclared, Broke, Event, Fault, ServerBegan, Settled
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.client import ScriptedClient
from motet.testing.simulated.ground import SimulatedGround
from motet.testing.simulated.host import HostedBackend, SimulatedHost
from motet.testing.simulated.loop import SimulatedLoop
from motet.testing.simulated.plan import FaultKind, WorldPlan
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.transcript import spec

GRACE = 60.0
"""Seconds that a host agent outlives its server."""

SETTLING = 600.0
"""Seconds after the last fault, after which everything must have ended."""


def functions_of(client: str) -> tuple[FunctionSpec, ...]:
    """What a client's app has."""
    return (
        spec(f"{client}/plain", max_containers=3),
        spec(f"{client}/wide", max_inputs=4, target_inputs=2, max_containers=2),
        spec(f"{client}/retry", max_inputs=2, retries=2, max_containers=3),
        spec(f"{client}/brief", max_inputs=2, retries=2, timeout=2.0, max_containers=3),
        spec(f"{client}/once", max_inputs=3, delivery="at_most_once", max_containers=2),
    )


class SimulatedDoor:
    """Lets everybody in, each as the principal that it says it is."""

    token = ""

    def admit(self, token: str, process: PeerProcess | None) -> Principal:
        """See `Door`."""
        return Principal(token, CALL | DEPLOY | LOOK)

    @property
    def tokens(self) -> Tokens:
        """See `Door`."""
        raise InvalidError("there are no tokens here")


class SimulatedWorld:
    """One server at a time, a host, clients, and what is done to them. Made and run on a loop of its own by `history_of`."""

    def __init__(self, seed: int, plan: WorldPlan | None = None) -> None:
        self.events: list[Event] = []
        self.faults: dict[FaultKind, int] = {}
        self._dice = Random(f"{seed}/world")
        self.plan = plan or WorldPlan.of(self._dice, durable=False)
        self.loop = SimulatedLoop(lambda: self._dice.choice((0.0, 0.001, 0.05)))
        self._host = SimulatedHost(self.loop, self._dice, GRACE, self._connect_container, self.events.append)
        self._backend: HostedBackend | None = None
        self._server: SimulatedProcess | None = None
        self._servers = 0
        self._reached_by_containers: tuple[SimulatedProcess, Server] | None = None
        self._reached_by_clients: tuple[SimulatedProcess, Server] | None = None
        self._clients: list[ScriptedClient] = []
        self._cables: dict[str, Cable] = {}
        self.ground = SimulatedGround(self.loop, self._connect_client)
        self._harm: dict[FaultKind, Callable[[], None]] = {
            "server crashes": self._crash_server,
            "server pauses": self._pause_server,
            "container dies": self._kill_container,
            "container freezes": self._freeze_container,
            "container is cut off": self._cut_container,
            "connection is held up": self._hold_connection,
            "agent dies": self._kill_agent,
            "agent is held up": self._hold_agent,
            "host is held up": self._hold_host,
            "client is held up": self._hold_client,
            "client is cut off": self._cut_client,
            "client dies": self._kill_client,
            "wall clock jumps": self._jump,
        }

    # --- connections --------------------------------------------------------------------------------------------------

    def _latency(self) -> float:
        return self._dice.choice(self.plan.latency)

    def _connect_container(
        self, process: SimulatedProcess, receive: Callable[[bytes], None], closed: Callable[[], None]
    ) -> Cable | None:
        return self._connect(self._reached_by_containers, process, receive, closed)

    def _connect_client(
        self, process: SimulatedProcess, receive: Callable[[bytes], None], closed: Callable[[], None]
    ) -> Cable | None:
        cable = self._connect(self._reached_by_clients, process, receive, closed)
        if cable is not None:
            self._cables[process.name] = cable
        return cable

    def _connect(
        self,
        where: tuple[SimulatedProcess, Server] | None,
        process: SimulatedProcess,
        receive: Callable[[bytes], None],
        closed: Callable[[], None],
    ) -> Cable | None:
        if where is None:
            return None
        server_process, server = where
        return Cable(self.loop, server_process, server.new_peer(), process, receive, closed, self._latency)

    # --- servers ------------------------------------------------------------------------------------------------------

    async def _keep_serving(self) -> None:
        """As a supervisor does: when a server is gone, start the next one."""
        while True:
            self._servers += 1
            process = self._server = SimulatedProcess(f"server-{self._servers}", self.loop)
            gone = asyncio.Event()
            process.on_death += [self._server_died, gone.set]
            self.loop.create_task(self._serve(process), context=process.context)
            await gone.wait()
            await asyncio.sleep(self._dice.choice((0.01, 0.5, 3.0)))

    def _server_died(self) -> None:
        self._reached_by_containers = self._reached_by_clients = None

    async def _serve(self, process: SimulatedProcess) -> None:
        backend = self._backend = self._host.attach(process)
        inherited = Inherited(backend.held, (self._host.run << ATTEMPT_BITS) + 1, backend.leave)
        config = ServerConfig(
            listen="nowhere",
            socket=Path("clients"),
            containers_socket=Path("containers"),
            limits=HostLimits(stop_grace=5.0, drain_grace=5.0, freeze_grace=5.0),
            stop_grace=5.0,
        )
        server = build_server(config, backend, door=SimulatedDoor(), inherited=inherited)

        def opened() -> None:
            self._reached_by_containers = process, server

        backend.on_open = opened
        await server.start()
        self._reached_by_clients = process, server
        self.write(ServerBegan(at=self.loop.time(), server=process.name))
        await server.ending.wait()
        if server.broken is not None:
            self.write(Broke(at=self.loop.time(), what=str(server.broken)))
        process.die()

    # --- a run --------------------------------------------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Into the history."""
        self.events.append(event)

    async def run(self) -> None:
        """All of it."""
        serving = self.loop.create_task(self._keep_serving())
        for number in range(1, self.plan.clients + 1):
            process = SimulatedProcess(f"client-{number}", self.loop)
            dice = Random(f"{self._dice.random()}/{process.name}")
            app = AppSpec(name=f"app-{number}", functions=functions_of(process.name))
            self._declare(app.functions)
            client = ScriptedClient(process, dice, self.write, app, calls=self.plan.calls, spawns=self.plan.spawns)
            self._clients.append(client)
            self.loop.create_task(client.run(), context=process.context)
        await self._do_harm()
        await self._settle()
        serving.cancel()

    def _declare(self, functions: Sequence[FunctionSpec]) -> None:
        for each in functions:
            self.write(
                BoundsDeclared(
                    at=0.0,
                    function=each.name,
                    max_containers=each.autoscaler.max_containers or 0,
                    max_inputs=each.concurrency.max_inputs,
                    retries=each.retries.max_retries,
                    at_most_once=each.at_most_once,
                )
            )

    async def _do_harm(self) -> None:
        over = self.loop.time() + self.plan.seconds
        while self.loop.time() < over:
            await asyncio.sleep(self._dice.expovariate(1.0) * self.plan.pause)
            if self.plan.faults:
                kind = self._dice.choice(self.plan.faults)
                self.faults[kind] = self.faults.get(kind, 0) + 1
                self._harm[kind]()

    async def _settle(self) -> None:
        deadline = self.loop.time() + SETTLING
        while self.loop.time() < deadline and not self._are_done():  # noqa: ASYNC110 - or one may die
            await asyncio.sleep(1.0)
        self.write(Settled(at=self.loop.time()))

    def _are_done(self) -> bool:
        return all(it.is_done or not it.process.is_alive for it in self._clients)

    # --- faults -------------------------------------------------------------------------------------------------------

    def _fault(self, kind: str, target: str) -> None:
        self.write(Fault(at=self.loop.time(), kind=kind, target=target))

    def _later(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        self.loop.call_later(seconds, act, *args)

    def _crash_server(self) -> None:
        if self._server is not None and self._server.is_alive:
            self._fault("crash", self._server.name)
            self._server.die_in(self._dice.choice((0, 1, self._dice.randrange(10), self._dice.randrange(200))))
            self._later(1.0, self._server.die)

    def _pause_server(self) -> None:
        server = self._server
        if server is not None and server.is_alive and not server.is_paused:
            self._fault("pause", server.name)
            server.pause()
            self._later(self._dice.choice((0.2, 2.0, 15.0)), server.go_on)

    def _container(self) -> str | None:
        names = list(self._host.containers)
        return self._dice.choice(names) if names else None

    def _kill_container(self) -> None:
        if (name := self._container()) is not None:
            self._host.harm(name)

    def _freeze_container(self) -> None:
        if (name := self._container()) is not None:
            self._host.freeze(name, frozen=True)
            self._later(self._dice.choice((0.2, 3.0, 30.0)), lambda: self._host.freeze(name, frozen=False))

    def _cut_container(self) -> None:
        """Its server gives it up, and has it killed."""
        if (name := self._container()) is not None:
            self._fault("cut", name)
            connection = self._host.containers[name].connection(is_control=False)
            if connection is not None:
                connection.cut()

    def _hold_connection(self) -> None:
        """One of a container's two: what comes over the other overtakes it."""
        if (name := self._container()) is not None:
            cable = self._host.containers[name].connection(is_control=self._dice.random() < 0.5)
            if cable is not None:
                self._fault("hold", name)
                cable.hold(True)
                self._later(self._dice.choice((0.2, 2.0, 8.0)), cable.hold, False)

    def _hold_agent(self) -> None:
        """What the server has it do comes late, or never, if that server dies meanwhile."""
        if (backend := self._backend) is not None:
            self._fault("hold", "agent")
            backend.hold(True)
            self._later(self._dice.choice((0.2, 2.0, 8.0)), backend.hold, False)

    def _kill_agent(self) -> None:
        self._fault("kill", "host")
        self._host.end_all()

    def _hold_host(self) -> None:
        cables, backend = self._host.cables, self._backend
        for name in self._host.containers:
            self._fault("hold", name)
        for each in (*cables, *(() if backend is None else (backend,))):
            each.hold(True)
            self._later(self._dice.choice((0.2, 2.0, 8.0)), each.hold, False)

    def _client(self) -> ScriptedClient | None:
        living = [it for it in self._clients if it.process.is_alive and it.process.name in self._cables]
        return self._dice.choice(living) if living else None

    def _hold_client(self) -> None:
        if (client := self._client()) is not None:
            self._fault("hold", client.process.name)
            cable = self._cables[client.process.name]
            cable.hold(True)
            self._later(self._dice.choice((0.2, 2.0, 30.0)), cable.hold, False)

    def _cut_client(self) -> None:
        if (client := self._client()) is not None:
            self._fault("cut", client.process.name)
            self._cables[client.process.name].cut()

    def _kill_client(self) -> None:
        if (client := self._client()) is not None and self._dice.random() < 0.5:
            self._fault("kill", client.process.name)
            client.process.die()

    def _jump(self) -> None:
        if self._server is not None:
            self._fault("clock", self._server.name)
            self._server.wall_offset += self._dice.choice((-3600.0, -1.0, 1.0, 3600.0))


class _Errors(logging.Handler):
    """What the platform logs of things that may not happen: those with a traceback."""

    def __init__(self, world: SimulatedWorld) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            what = f"{record.getMessage()}: {record.exc_info[0].__name__}: {record.exc_info[1]}"
            self._world.write(Broke(at=self._world.loop.time(), what=what))


def history_of(seed: int, plan: WorldPlan | None = None) -> SimulatedWorld:
    """The world that a seed makes, after its end. `plan`: in place of the one that the seed makes."""
    world = SimulatedWorld(seed, plan)
    dice = Random(f"{seed}/secrets")
    errors = _Errors(world)
    logger = logging.getLogger("motet")
    before = ground.ground()
    randbits, token_hex = secrets.randbits, secrets.token_hex
    logger.addHandler(errors)
    ground.stand_on(world.ground)
    # What is made of these is written into ids, by whose order things may go.
    secrets.randbits = dice.getrandbits  # type: ignore[assignment]
    secrets.token_hex = lambda nbytes=None: dice.randbytes(nbytes or 32).hex()
    try:
        world.loop.run_until_complete(world.run())
    finally:
        secrets.randbits, secrets.token_hex = randbits, token_hex
        ground.stand_on(before)
        logger.removeHandler(errors)
        world.ground.end()
        world.loop.abandon()
    for what in world.loop.failures:
        world.write(Broke(at=world.loop.time(), what=what))
    return world
