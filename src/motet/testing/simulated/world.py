"""A simulated world: a seed decides all that happens in it, and the history that it leaves says what did."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

from motet.client import ground
from motet.core.host import HostLimits
from motet.model.function import AppSpec, FunctionSpec
from motet.server.config import ServerConfig
from motet.server.containers.come_back import Inherited
from motet.server.lead import RENEWALS
from motet.server.wiring import ATTEMPT_BITS, build_server
from motet.testing.history_events import BoundsDeclared, Broke, Event, Fault, ServerBegan, Settled
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.client import STREAMING, ScriptedClient
from motet.testing.simulated.deployments import SimulatedDeployments
from motet.testing.simulated.disk import SimulatedDisk, SimulatedJournal
from motet.testing.simulated.disk_files import FileDisk
from motet.testing.simulated.door import SimulatedDoor
from motet.testing.simulated.ground import SimulatedGround
from motet.testing.simulated.harm import Harm
from motet.testing.simulated.host import HostedBackend, Reached, SimulatedHost
from motet.testing.simulated.loop import SimulatedLoop
from motet.testing.simulated.plan import LEASE, FaultKind, WorldPlan
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.simulated.scheduled import DEPLOYER, ScheduledApp
from motet.testing.transcript import spec

GRACE = 60.0
"""Seconds that a host agent outlives its server."""

RUNNING_ON = 150.0
"""Seconds for which an app runs by itself when nothing goes wrong any more."""

SETTLING = 600.0
"""Seconds after the last fault, after which everything must have ended."""


def functions_of(client: str) -> tuple[FunctionSpec, ...]:
    """What a client's app has."""
    return (
        spec(f"{client}/plain", max_containers=3),
        spec(f"{client}/wide", max_inputs=4, target_inputs=2, max_containers=2),
        spec(f"{client}/retry", max_inputs=2, retries=2, max_containers=3),
        spec(f"{client}/brief", max_inputs=2, retries=2, timeout=2.0, max_containers=3),
        spec(f"{client}/batch", max_batch_size=3, wait_ms=50, max_inputs=2, retries=1, max_containers=2),
        spec(f"{client}{STREAMING}", max_inputs=2, retries=1, max_containers=2),
        spec(f"{client}/once", max_inputs=3, delivery="at_most_once", max_containers=2),
    )


class SimulatedWorld:
    """One server at a time, a host, clients, and what is done to them. Made and run on a loop of its own by `history_of`."""

    def __init__(self, seed: int, plan: WorldPlan | None = None) -> None:
        self.events: list[Event] = []
        self.faults: dict[FaultKind, int] = {}
        self.dice = Random(f"{seed}/world")
        self.plan = plan or WorldPlan.of(self.dice, durable=True)
        self.disk_delay = 0.0
        """Seconds that a commit takes beside the usual."""
        self.loop = SimulatedLoop(self._thread_delay)
        self.host = self._new_host()
        self.backend: HostedBackend | None = None
        self.server: SimulatedProcess | None = None
        self._servers = 0
        self._next_server = asyncio.Event()
        self._reached: Reached | None = None
        """The server that clients find, if there is one."""
        self.clients: list[ScriptedClient] = []
        self.cables: dict[str, Cable] = {}
        self.ground = SimulatedGround(self.loop, self._connect_client)
        self._journal: SimulatedJournal | None = None
        """That of the server that is there."""
        self.disk = FileDisk(self.dice, self.cut_power) if self.plan.files else SimulatedDisk()
        self._harm = Harm(self)
        self._away = 0.0
        """Seconds for which there is no server after the one that is there."""
        self._scheduled: ScheduledApp | None = None

    def _new_host(self) -> SimulatedHost:
        return SimulatedHost(self.loop, self.dice, GRACE, self._connect, self.write)

    # --- connections --------------------------------------------------------------------------------------------------

    def _thread_delay(self) -> float:
        return self.dice.choice((0.0, 0.001, 0.05)) + self.disk_delay

    def _latency(self) -> float:
        return self.dice.choice(self.plan.latency)

    def _connect_client(
        self, process: SimulatedProcess, receive: Callable[[bytes], None], closed: Callable[[], None]
    ) -> Cable | None:
        cable = self._connect(self._reached, process, receive, closed)
        if cable is not None:
            self.cables[process.name] = cable
        return cable

    def _connect(
        self,
        where: Reached | None,
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
            process = self.server = SimulatedProcess(f"server-{self._servers}", self.loop)
            gone = self._next_server = asyncio.Event()
            process.on_death += [partial(self._died, process), gone.set]
            self.loop.create_task(self._serve(process), context=process.context)
            await gone.wait()
            await asyncio.sleep(self._away or self.dice.choice((0.01, 0.5, 3.0)))
            self._away = 0.0

    def _died(self, process: SimulatedProcess) -> None:
        if process is self.server:
            self._server_died()

    def _server_died(self) -> None:
        self._reached = None

    async def _serve(self, process: SimulatedProcess) -> None:
        if self.host.is_cut:  # it cannot be attached to
            self.host.give_up(lambda: self.host.reached)
            self.host = self._new_host()
        host = self.host
        backend = self.backend = host.attach(process)
        config = ServerConfig(
            listen="nowhere",
            socket=Path("clients"),
            containers_socket=Path("containers"),
            limits=HostLimits(stop_grace=5.0, drain_grace=5.0, freeze_grace=5.0),
            stop_grace=5.0,
        )
        self.disk.lose_power()
        journal = self._journal = self.disk.open()
        run = max(host.run, journal.term)
        inherited = Inherited(backend.held, (run << ATTEMPT_BITS) + 1, backend.leave)
        deployed = SimulatedDeployments(self.disk.deployments, self.disk, journal)
        server = build_server(
            config, backend, door=SimulatedDoor(), inherited=inherited, journal=journal, deployed=deployed
        )

        def opened() -> None:
            host.reached = process, server

        def elsewhere() -> SimulatedHost:
            before, found = backend.host, self._new_host()
            before.give_up(lambda: self.host.reached)
            found.reached, found.is_replaced = (process, server), before.is_replaced
            if before is self.host:
                self.host = found
            return found

        backend.on_open, backend.elsewhere = opened, elsewhere
        await server.start()
        if process is self.server:  # and no other one has come in its place meanwhile
            self._reached = process, server
            self.write(ServerBegan(at=self.loop.time(), server=process.name))
        await server.ending.wait()
        if server.broken is not None:
            self.write(Broke(at=self.loop.time(), what=str(server.broken)))
        process.die()

    # --- a run --------------------------------------------------------------------------------------------------------

    def write(self, event: Event) -> None:
        """Into the history."""
        if self._scheduled is not None and (moment := self._scheduled.before(event)) is not None:
            self.events.append(moment)
        self.events.append(event)

    async def run(self) -> None:
        """All of it."""
        serving = self.loop.create_task(self._keep_serving())
        if self.plan.schedules:
            await self._deploy()
        for number in range(1, self.plan.clients + 1):
            process = SimulatedProcess(f"client-{number}", self.loop)
            dice = Random(f"{self.dice.random()}/{process.name}")
            app = AppSpec(name=f"app-{number}", functions=functions_of(process.name))
            self._declare(app.functions)
            client = ScriptedClient(process, dice, self.write, app, calls=self.plan.calls, spawns=self.plan.spawns)
            self.clients.append(client)
            self.loop.create_task(client.run(), context=process.context)
        await self._do_harm()
        await self._settle()
        serving.cancel()

    async def _deploy(self) -> None:
        """An app that runs by itself, before anything goes wrong."""
        self._scheduled = app = ScheduledApp(self.loop, jumps="wall clock jumps" in self.plan.faults)
        self._declare(app.functions)
        process = SimulatedProcess(DEPLOYER, self.loop)
        await self.loop.create_task(app.deploy(process, self.dice, self.write), context=process.context)
        self._telling = self.loop.create_task(app.tell(self.write))

    def _declare(self, functions: Sequence[FunctionSpec]) -> None:
        for each in functions:
            self.write(
                BoundsDeclared(
                    at=0.0,
                    function=each.name,
                    max_containers=each.autoscaler.max_containers or 0,
                    max_inputs=each.concurrency.max_inputs,
                    max_batch=1 if each.batching is None else each.batching.max_batch_size,
                    retries=each.retries.max_retries,
                    at_most_once=each.at_most_once,
                    outlives=True,
                    timeout=each.timeout,
                )
            )

    def replace_server(self) -> None:
        """Have the next server start on a machine of its own while this one is there."""
        self._server_died()
        self.host.is_replaced = True
        self.host = self._new_host()
        self._next_server.set()

    def cut_leader(self) -> tuple[Callable[[], bool], Callable[[], None]]:
        """Have the server that is there not reach its database; whether that is so, and what ends it. If another one leads by
        then, it ends."""
        server, journal = self.server, self._journal
        assert server is not None
        assert journal is not None
        journal.is_cut_off = True

        def reach() -> None:
            journal.is_cut_off = False
            if journal.term != self.disk.term:  # it renews its lease next, and finds out
                self.loop.call_later(LEASE / RENEWALS, server.die)

        return lambda: journal.is_cut_off, reach

    def keep_away(self, seconds: float) -> None:
        """The next server comes so late."""
        self._away = seconds

    def cut_power(self) -> None:
        """The server's machine goes off, in the middle of what it does."""
        if self.server is not None and self.server.is_alive:
            self.write(Fault(at=self.loop.time(), kind="crash", target=self.server.name))
            self.server.die()

    async def _do_harm(self) -> None:
        over = self.loop.time() + self.plan.seconds
        while self.loop.time() < over:
            await asyncio.sleep(self.dice.expovariate(1.0) * self.plan.pause)
            if self.plan.faults:
                kind = self.dice.choice(self.plan.faults)
                self.faults[kind] = self.faults.get(kind, 0) + 1
                self._harm.do(kind)

    async def _settle(self) -> None:
        """Let everything end; then let somebody else read what was spawned."""
        self.disk.problem, self.disk.unclear, self.disk_delay = "", 0, 0.0
        if self._journal is not None:
            self._journal.is_cut_off = False
        await self._wait_done(self.clients)
        spawned = [(client.process.name, client.spawned) for client in self.clients]
        if self._scheduled is not None:
            await asyncio.sleep(RUNNING_ON)
            spawned.append((DEPLOYER, [(call_id, 1) for call_id in self._scheduled.calls]))
        asked_at = self.loop.time()
        readers = []
        for number, (principal, calls) in enumerate(spawned, 1):
            process = SimulatedProcess(f"reader-{number}", self.loop)
            reader = ScriptedClient(
                process, self.dice, self.write, AppSpec(name="", functions=()), calls=0, spawns=False
            )
            self.loop.create_task(reader.read_again(principal, calls), context=process.context)
            readers.append(reader)
        await self._wait_done(readers)
        self.write(Settled(at=self.loop.time(), asked_at=asked_at))

    async def _wait_done(self, clients: Sequence[ScriptedClient]) -> None:
        deadline = self.loop.time() + SETTLING
        while self.loop.time() < deadline and any(it.process.is_alive and not it.is_done for it in clients):  # noqa: ASYNC110
            await asyncio.sleep(1.0)


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
        world.disk.close()
    for what in world.loop.failures:
        world.write(Broke(at=world.loop.time(), what=what))
    return world
