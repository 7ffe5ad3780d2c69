"""A world whose server stays, as `motet server` does: it can be killed, and the next one goes on; hosts can be cut off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Literal, get_args

from motet.client import ground
from motet.client.resuming_link import ResumingLink
from motet.core.host import HostLimits
from motet.errors import InvalidError
from motet.server.config import ServerConfig
from motet.server.containers.come_back import Inherited
from motet.server.server import Server
from motet.server.wiring import ATTEMPT_BITS, build_server
from motet.testing.container import WorldContainer
from motet.testing.hosts import Hosts, WorldHost
from motet.testing.simulated.cable import Cable
from motet.testing.simulated.disk import SimulatedDisk
from motet.testing.simulated.door import SimulatedDoor
from motet.testing.simulated.ground import SimulatedGround
from motet.testing.simulated.process import SimulatedProcess
from motet.testing.world import World
from motet.testing.world_loop import WorldLoop
from motet.wire.hello import Hello

Trouble = Literal["server is killed", "container is killed", "container freezes", "host is cut off", "disk is full"]

OUTAGES = (0.2, 3.0, 20.0)
"""Seconds that what dice do lasts."""


class StayingWorld(World):
    """See `world(stays=True)`. Spawned calls are on a disk that outlives the server; the containers live on hosts that do."""

    def __init__(self, *, limits: HostLimits | None = None) -> None:
        super().__init__(limits=limits)
        assert isinstance(self._loop, WorldLoop)
        assert isinstance(self._place, Hosts)
        self._world_loop, self._hosts = self._loop, self._place
        self._disk = SimulatedDisk()
        self._client = SimulatedProcess("test", self._loop)
        self._process: SimulatedProcess | None = None
        self._reached: tuple[SimulatedProcess, Server] | None = None
        self._ground = SimulatedGround(self._world_loop, self._connect)
        self._before = ground.ground()
        self._is_over = False
        self._down = 0.5

    def _new_loop(self) -> WorldLoop:
        return WorldLoop()

    def _new_place(self) -> Hosts:
        assert isinstance(self._loop, WorldLoop)
        return Hosts(self._loop)

    # --- faults -------------------------------------------------------------------------------------------------------

    def kill_server(self, *, down: float = 0.5) -> None:
        """Kill the server (SIGKILL), now; the next one starts `down` seconds later, as with a supervisor. What runs in
        containers runs on. Does nothing while none is there."""
        if self._process is not None and self._process.is_alive:
            self._down = down
            self._process.die()
        self._settle()

    @property
    def host(self) -> WorldHost:
        """The machine on which the server starts containers now. There is another one when this was given up."""
        return self._hosts.current() if self._hosts.backend is None else self._hosts.backend.host

    @property
    def hosts(self) -> list[WorldHost]:
        """All machines that there were, the oldest first."""
        return list(self._hosts.all)

    def cut(self, target: WorldContainer | WorldHost, *, after: int = 0) -> None:
        """Cut a host off: what runs there runs on, and nothing comes through to the server or from it, until `heal`. After 10 s
        its containers get no new inputs, and after 60 s the server gives it up. Of a container: see `World.cut`."""
        if isinstance(target, WorldHost):
            self._hosts.cut(target)
            self._settle()
        elif isinstance(target, WorldContainer):
            super().cut(target, after=after)
        else:
            raise InvalidError(
                f"cut() takes a host or a container, not {target!r}: `.host` and `.hosts` have hosts, `.containers()` "
                "containers"
            )

    def heal(self, host: WorldHost) -> None:
        """Let everything through again."""
        if not isinstance(host, WorldHost):
            raise InvalidError(f"heal() takes a host, not {host!r}: `.host` and `.hosts` have them")
        self._hosts.heal(host)
        self._settle()

    def break_disk(self, problem: str = "it is full") -> None:
        """From now on the server can write nothing: until `mend_disk` it accepts no spawned call, and keeps no result."""
        self._disk.problem = problem

    def mend_disk(self) -> None:
        """It can be written again."""
        self._disk.problem = ""

    @contextlib.contextmanager
    def trouble(
        self, seed: int, *, kinds: Sequence[Trouble] = get_args(Trouble), every: float = 5.0
    ) -> Iterator[list[tuple[float, str]]]:
        """While the block runs, things go wrong: some of these kinds, at moments that dice of this seed say, one in `every`
        virtual seconds on average. Gives what has, with its moments, as it goes on. At the end of the block all is healed."""
        known = get_args(Trouble)
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(known):
            raise InvalidError(f"trouble() takes a list of kinds, some of {', '.join(map(repr, known))}; not {kinds!r}")
        if not every > 0:
            raise InvalidError(f"trouble() takes every= in seconds, more than 0; not {every!r}")
        happened: list[tuple[float, str]] = []
        task = self._loop.create_task(self._do_harm(Random(f"{seed}/trouble"), kinds, every, happened))
        try:
            yield happened
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self.run(_ended(task))
            self.mend_disk()
            for host in self._hosts.all:
                if host.is_cut:
                    self.heal(host)
            for container in self.containers():
                self._thaw(container.container_id)
            self._settle()

    async def _do_harm(
        self, dice: Random, kinds: Sequence[Trouble], every: float, happened: list[tuple[float, str]]
    ) -> None:
        while True:
            await asyncio.sleep(dice.expovariate(1 / every))
            kind, seconds, place = dice.choice(kinds), dice.choice(OUTAGES), dice.random()
            if self._harm(kind, seconds, place):
                happened.append((self.now, kind))

    def _harm(self, kind: Trouble, seconds: float, place: float) -> bool:
        """Whether there was anything to do it to."""
        later = partial(self._loop.call_later, seconds, context=Context())
        living = self.containers()
        match kind:
            case "server is killed":
                was_there = self._process is not None and self._process.is_alive
                self.kill_server(down=seconds)
                return was_there
            case "host is cut off":
                host = self.host
                self._hosts.cut(host)
                later(lambda: self._hosts.heal(host))
            case "disk is full":
                self.break_disk()
                later(self.mend_disk)
            case "container is killed" if living:
                self._place.kill_nowait(living[int(place * len(living))].container_id)
            case "container freezes" if living:
                found = living[int(place * len(living))]
                self.freeze(found)
                later(partial(self._thaw, found.container_id))
            case _:
                return False
        return True

    def _thaw(self, container_id: str) -> None:
        for container in self.containers():
            if container.container_id == container_id and self._hosts.is_frozen(container_id):
                self.thaw(container)

    # --- servers ------------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        ground.stand_on(self._ground)
        self._start_server()
        while self._reached is None:  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(0.01)
        hello = Hello("client", self._client.name, confirms=True)
        self._client.context.run(ResumingLink, "simulated:server", hello, self.connection)
        while self.connection.agreed is None:  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(0.01)

    def _start_server(self) -> None:
        if not self._is_over:
            process = self._process = SimulatedProcess(f"server-{self._hosts.servers + 1}", self._loop)
            process.on_death.append(partial(self._died, process))
            self._loop.create_task(self._serve(process), context=process.context)

    def _died(self, process: SimulatedProcess) -> None:
        if process is self._process:
            self._reached = self._hosts.reached = None
            self._loop.call_later(self._down, self._start_server, context=Context())

    async def _serve(self, process: SimulatedProcess) -> None:
        backend = self._hosts.attach(process)
        config = ServerConfig(
            listen="nowhere",
            socket=Path("clients"),
            containers_socket=Path("containers"),
            limits=self._limits,
        )
        journal = self._disk.open()
        inherited = Inherited(backend.held, (journal.term << ATTEMPT_BITS) + 1, backend.leave)
        server = build_server(config, backend, door=SimulatedDoor(), inherited=inherited, journal=journal)

        def opened() -> None:
            self._hosts.reached = process, server

        backend.on_open = opened
        await server.start()
        self._reached = process, server
        await server.ending.wait()
        process.die()

    def _connect(
        self, process: SimulatedProcess, receive: Callable[[bytes], None], closed: Callable[[], None]
    ) -> Cable | None:
        if self._reached is None:
            return None
        server_process, server = self._reached
        return Cable(self._loop, server_process, server.new_peer(), process, receive, closed, lambda: 0.0)

    # --- its end ------------------------------------------------------------------------------------------------------

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.connection.close()
        super().__exit__(kind, error, traceback)

    async def _close(self) -> None:
        self._is_over = True
        if self._reached is not None:
            process, server = self._reached
            await self._loop.create_task(server.stop(), context=process.context)
            process.die()
        for container_id in self._hosts.containers:
            self._hosts.end(container_id, 0)

    def _leave(self) -> None:
        ground.stand_on(self._before)
        self._ground.end()
        self._world_loop.abandon()


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
