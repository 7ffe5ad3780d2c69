"""The whole platform in one process, on virtual time: for tests of programs that use Motet, and of Motet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar

from motet.backends.base import Launch, Stream
from motet.client import reach, waiter
from motet.client.connection import Connection
from motet.client.dual import Steps
from motet.client.running_app import RunningApp, enter_container_app
from motet.client.waiter import Waiter
from motet.core.host import HostLimits
from motet.errors import ConnectionError
from motet.server import embedded
from motet.server.config import ServerConfig
from motet.server.server import Server
from motet.server.wiring import build_server
from motet.testing.attempts import AttemptLog, WorldAttempt
from motet.testing.backends import FakeBackend
from motet.testing.container import WorldContainer
from motet.testing.pipe import Pipe
from motet.testing.stepped import current_stepped
from motet.testing.virtual_loop import DeadlockError, VirtualLoop
from motet.wire.container_messages import Configure

T = TypeVar("T")
Role = Literal["executor", "control"]


class WorldPlace(Protocol):
    """Where a world's containers are."""

    attempts: AttemptLog
    delays: dict[str, float]
    connection: Connection

    @property
    def containers(self) -> dict[str, WorldContainer]: ...

    def kill_nowait(self, container_id: str) -> None: ...

    def end(self, container_id: str, code: int) -> None: ...

    def freeze(self, container_id: str) -> None: ...

    def thaw(self, container_id: str) -> None: ...

    def write(self, container_id: str, stream: Stream, data: bytes) -> None: ...


class WorldBackend(FakeBackend):
    """Containers as objects of this process."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self.containers: dict[str, WorldContainer] = {}
        self.attempts = AttemptLog()
        self.delays: dict[str, float] = {}
        self.server: Server
        self.connection = Connection()
        self._virtual = loop

    def start_nowait(self, launch: Launch) -> None:
        """See `Backend`."""
        super().start_nowait(launch)
        if launch.container_id in self.running:
            container = self.containers[launch.container_id] = WorldContainer(launch, self._virtual, self)
            self._virtual.call_soon(container.start)

    def end(self, container_id: str, code: int, reason: str | None = None) -> None:
        """Have a container end, and its connections with it."""
        super().end(container_id, code, reason)
        container = self.containers.pop(container_id, None)
        if container is not None:
            container.vanish()

    def configured(self, configuration: Configure) -> None:
        """A container learned what it serves: handles that came to it in pickles find their functions."""
        connection, c = self.connection, configuration
        enter_container_app(RunningApp(c.app_id, c.app_name, lambda: connection, c.functions, c.web_urls))

    def connect(self, role: str, receive: Callable[[memoryview], None], closed: Callable[[], None]) -> Pipe:
        """A new connection to the server."""
        pipe = Pipe(self._virtual, self.server.new_peer(), receive, closed)
        pipe.delay(self.delays.get(role, 0.0))
        return pipe


class World:
    """Clients, server and containers in this process, with a clock of their own. See `world`."""

    def __init__(self, *, limits: HostLimits | None = None) -> None:
        self._limits = limits or HostLimits()
        self._loop = self._new_loop()
        self._place = self._new_place()
        self._server: Server
        self._real_sleep = time.sleep
        self.carried: Mapping[str, str] = {}
        self.is_elsewhere = False
        self.connection = self._place.connection
        """What functions are called over."""

    def _new_loop(self) -> VirtualLoop:
        return VirtualLoop()

    def _new_place(self) -> WorldPlace:
        return WorldBackend(self._loop)

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self._loop.time()

    def advance(self, seconds: float) -> None:
        """Let virtual time pass, and everything happen that is due in it."""
        self.run(asyncio.sleep(seconds))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run async test code in this world, to its end: `world.run(f.remote.aio(1))`. Time passes while it waits."""
        return self._loop.run_until_complete(coroutine)

    # --- containers ---------------------------------------------------------------------------------------------------

    def containers(self, function: str | None = None) -> list[WorldContainer]:
        """Those that live, the oldest first; of one function (by name), or of all."""
        return [it for it in self._place.containers.values() if function in (None, it.function)]

    def attempts(self, function: str | None = None) -> list[WorldAttempt]:
        """Every run of a function's code until now (by its name), or of all, in the order in which they began."""
        return self._place.attempts.of(function)

    def kill(self, container: WorldContainer) -> None:
        """Have its process be killed by SIGKILL, now."""
        self._place.kill_nowait(container.container_id)
        self._settle()

    def crash(self, container: WorldContainer, code: int = 1, stderr: str = "") -> None:
        """Have its process end by itself, with this exit status, after writing this."""
        if stderr:
            self._place.write(container.container_id, "stderr", stderr.encode())
        self._place.end(container.container_id, code)
        self._settle()

    def preempt(self, container: WorldContainer) -> None:
        """Have its process be told to end (SIGTERM): it takes no more inputs and finishes what it has, within its grace."""
        container.preempt()
        self._settle()

    def freeze(self, container: WorldContainer) -> None:
        """Have its process be stopped (SIGSTOP): nothing comes out of it, and it takes nothing in, until `thaw`."""
        for pipe in container.pipes.values():
            pipe.hold(True)
        self._place.freeze(container.container_id)
        self._settle()

    def thaw(self, container: WorldContainer) -> None:
        """Let a frozen container go on."""
        for pipe in container.pipes.values():
            pipe.hold(False)
        self._place.thaw(container.container_id)
        self._settle()

    # --- the network --------------------------------------------------------------------------------------------------

    def delay(self, seconds: float, role: Role | None = None) -> None:
        """From now on whatever containers and server say to each other takes so long, on all connections or on those of one
        role. Within a connection order stays; between a container's two it changes: with a slow "executor" connection a
        cancellation overtakes the input it is about, with a slow "control" one it comes late."""
        for each in ("executor", "control") if role is None else (role,):
            self._place.delays[each] = seconds
            for container in self.containers():
                if each in container.pipes:
                    container.pipes[each].delay(seconds)

    def cut(self, container: WorldContainer, *, after: int = 0) -> None:
        """End its executor connection when `after` more bytes have come from it, also in the middle of a message. A lost
        message is this: a stream that lacks a piece ends there."""
        container.pipes["executor"].cut(after)
        self._settle()

    def repeat(self, container: WorldContainer) -> None:
        """Have the next message that it sends come twice. (A stream never does this; a broken program may.)"""
        container.pipes["executor"].repeat()

    # --- beginning and end --------------------------------------------------------------------------------------------

    def __enter__(self) -> World:
        if embedded.is_running() or reach.is_substituted():
            self._loop.close()
            raise RuntimeError("a world cannot begin while an app runs, or inside another world")
        self.run(self._open())
        reach.substitute(self)
        waiter.block = self._block
        time.sleep = self._sleep  # type: ignore[assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.run(self._close())
            self._settle()
        finally:
            time.sleep = self._real_sleep
            waiter.block = None
            reach.substitute(None)
            enter_container_app(None)
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._leave()

    def wait_started(self) -> Steps[None]:
        """It is there already."""
        yield from ()

    def release(self) -> Steps[None]:
        """It goes on until its block ends."""
        yield from ()

    def reconnect(self) -> Connection:
        """A world has one process."""
        raise ConnectionError(
            "a process forked from one with a `motet.testing.world()` cannot call functions: the world is in its parent alone"
        )

    async def _open(self) -> None:
        config = ServerConfig(listen="nowhere", limits=self._limits)
        backend = self._place
        assert isinstance(backend, WorldBackend)
        self._server = backend.server = build_server(config, backend)
        await self._server.start()
        session = self._server.connect(embedded.LocalPeer(self.connection))
        self.connection.attach(embedded.LocalLink(self._loop, session))

    async def _close(self) -> None:
        await self._server.stop()

    def _leave(self) -> None:
        self._loop.close()

    def _settle(self) -> None:
        """Let what was just done take its effect, unless the loop is at it anyway."""
        if not self._loop.is_running():
            self.run(_turns(20))

    # --- blocking code ------------------------------------------------------------------------------------------------

    def _block(self, awaited: Waiter[Any]) -> bool:
        """Stands in for a thread's wait: other threads and the loop go on meanwhile, and virtual time passes."""
        stepped = current_stepped()
        if stepped is not None:
            stepped.park(until=awaited.notify, seconds=awaited.timeout)
            return awaited.is_set
        if self._loop.is_running():
            raise DeadlockError("async code made a blocking call; in a container it would block its loop: use `.aio`")
        try:
            self.run(awaited.wait_async())
        except TimeoutError:
            return False
        return True

    def _sleep(self, seconds: float) -> None:
        """`time.sleep` in this world."""
        stepped = current_stepped()
        if stepped is not None:
            stepped.park(seconds=seconds)
        elif asyncio._get_running_loop() is self._loop:
            self._loop.skip(seconds)
        elif self._loop.is_running():
            self._real_sleep(seconds)  # some other thread
        else:
            self.advance(seconds)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
