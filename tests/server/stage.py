"""A server with a backend in memory; containers and clients are connections that the test drives itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from motet.model.function import AppSpec, FunctionSpec, MethodSpec, SerializedDefinition
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.server.access.audit import Audit
from motet.server.access.door import Door, Principal
from motet.server.access.rights import EVERYTHING
from motet.server.access.tokens import OPERATOR
from motet.server.clients.session import ClientSession
from motet.server.config import ServerConfig
from motet.server.containers.come_back import Inherited
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.wire import client_messages as m
from motet.wire import codec, failure
from motet.wire.container_messages import Configure, Deliver, Finished, Ready
from motet.wire.framing import LENGTH
from motet.wire.hello import Agreed, Hello, Refused
from motet.wire.message import Message

M = TypeVar("M")
PATIENCE = 30.0


def function(name: str = "f", **options: Any) -> FunctionSpec:
    definition = SerializedDefinition(pickled=b"", qualname=name)
    return FunctionSpec(
        name=name, app_name="app", app_key="app", definition=definition, methods=(MethodSpec(),), **options
    )


def app(*functions: FunctionSpec) -> AppSpec:
    return AppSpec(name="app", functions=functions or (function(),))


class Client:
    """A client in the server's process: a `Peer` that keeps what it was sent."""

    unsent_bytes = 0

    def __init__(self, server: Server, container_id: str | None = None, *, principal: Principal | None = None) -> None:
        self.sent: list[Any] = []
        self.session: ClientSession = server.connect(self, principal, container_id=container_id)
        self._server = server
        self._requests = 0
        self._changed = asyncio.Event()

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages
        self._changed.set()

    def close(self) -> None:
        """Nothing to close."""

    def say(self, *messages: Any) -> None:
        self.session.receive(messages)

    def ask(self, body: Any) -> int:
        """Send a request; its number."""
        self._requests += 1
        self.say(m.Request(self._requests, body))
        return self._requests

    async def wait(self, kind: type[M]) -> M:
        """The next message of this kind; others stay."""
        async with asyncio.timeout(PATIENCE):
            while not (found := [it for it in self.sent if isinstance(it, kind)]):
                self._changed.clear()
                await self._changed.wait()
        self.sent.remove(found[0])
        return found[0]

    async def answer(self, body: Any) -> Any:
        """What a request is answered with."""
        number = self.ask(body)
        reply = await self.wait(m.Reply)
        assert reply.request_id == number
        return reply.body

    async def create(self, *functions: FunctionSpec, app_id: str = "ap-1") -> list[str]:
        """Start an app; the ids of its functions."""
        created: m.AppCreated = await self.answer(m.CreateApp(app_id, app(*functions)))
        return [function_id for _, _, function_id in created.functions]

    def call(self, function_id: str, count: int = 1, call_id: str = "fc-1", kind: CallKind = CallKind.ATTACHED) -> None:
        inputs = [NewInput(index, b"x") for index in range(count)]
        self.say(m.SubmitInputs(call_id, function_id, kind, "", inputs))

    def leave(self) -> None:
        self._server.disconnect(self.session)


class Wire:
    """A connection over a real socket, in bytes or messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str) -> Wire:
        kind, _, where = address.partition(":")
        if kind == "unix":
            return cls(*await asyncio.open_unix_connection(where))
        host, _, port = where.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    @property
    def is_closed(self) -> bool:
        return self._writer.transport.is_closing()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def say(self, *messages: Message) -> None:
        self.write(b"".join(codec.frames(messages)))

    async def hear(self, decode: Any) -> list[Any]:
        """The messages of the next frame that says more than which version is spoken."""
        messages = await self.hear_any(decode)
        return await self.hear(decode) if isinstance(messages[0], Agreed) else messages

    async def hear_any(self, decode: Any) -> list[Any]:
        """The messages of the next frame."""
        async with asyncio.timeout(PATIENCE):
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            messages: list[Any] = decode(memoryview(await self._reader.readexactly(length)))
        return messages

    async def refusal(self) -> str:
        """Why the server refused; it must close the connection then."""
        (refused,) = await self.hear(codec.decode_to_client)
        assert isinstance(refused, Refused)
        await self.wait_closed()
        return refused.reason

    async def wait_closed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            assert await self._reader.read() == b""

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Container:
    """The two connections of a container."""

    def __init__(self, container_id: str, executor: Wire, control: Wire, configure: Configure) -> None:
        self.container_id = container_id
        self.executor = executor
        self.control = control
        self.configure = configure

    async def deliveries(self) -> list[Any]:
        (deliver,) = await self.executor.hear(codec.decode_to_executor)
        assert isinstance(deliver, Deliver)
        return deliver.attempts

    def finish(self, attempts: Sequence[Any], payload: bytes = b"done") -> None:
        ends = [AttemptEnd(it.attempt, OutcomeKind.SUCCESS, payload) for it in attempts]
        self.executor.say(Finished(ends))

    def fail(self, attempts: Sequence[Any], payload: bytes = b"failed") -> None:
        ends = [AttemptEnd(it.attempt, OutcomeKind.FAILURE, payload) for it in attempts]
        self.executor.say(Finished(ends))


class Stage:
    """The server, its backend, and helpers to be a container."""

    def __init__(self, server: Server, backend: FakeBackend) -> None:
        self.server = server
        self.backend = backend
        self._wires: list[Wire] = []

    def client(self) -> Client:
        return Client(self.server)

    def client_inside(self, container_id: str) -> Client:
        """Code in a container that makes calls."""
        return Client(self.server, container_id)

    def operator(self) -> Client:
        return self.principal(Principal(OPERATOR, EVERYTHING))

    def principal(self, principal: Principal) -> Client:
        """A client that came in by the door."""
        return Client(self.server, principal=principal)

    async def wait(self, condition: Any) -> None:
        """Let the server work until `condition` holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - there is no one event for all conditions
                await asyncio.sleep(0.001)

    async def connect(self) -> Wire:
        """A connection, closed with the stage, to where containers are told to connect."""
        self._wires.append(await Wire.open(self.backend.launches[0].address))
        return self._wires[-1]

    async def connect_from_outside(self) -> Wire:
        """A connection, closed with the stage, to where clients are told to connect."""
        self._wires.append(await Wire.open(self.server.address))
        return self._wires[-1]

    def is_anybody_away(self) -> bool:
        """Whether the server has noticed that the connection of a client broke that may come back."""
        return any(guest.is_away for guest in self.server._guests._guests)

    def state(self, function_id: str, container_id: str) -> str:
        """What the engine takes a container for."""
        driver = self.server._driver
        containers = driver.engine.inspection.view(function_id, driver.clock.now()).containers
        return next(it.state for it in containers if it.container_id == container_id)

    async def end(self, container: Container, code: int = 0) -> None:
        """The container's process ends."""
        self.backend.end(container.container_id, code)
        await container.executor.close()
        await container.control.close()

    async def close(self) -> None:
        for wire in self._wires:
            await wire.close()

    async def container(self, number: int = 0, *, ready: bool = True) -> Container:
        """Connect as the container that was launched as number `number`."""
        await self.wait(lambda: len(self.backend.launches) > number)
        launch = self.backend.launches[number]
        control = await self.connect()
        control.say(Hello("control", launch.token, launch.container_id))
        executor = await self.connect()
        executor.say(Hello("executor", launch.token, launch.container_id))
        (configure,) = await executor.hear(codec.decode_to_executor)
        if ready:
            executor.say(Ready())
            await self.wait(lambda: self.state(configure.function_id, launch.container_id) == "ready")
        return Container(launch.container_id, executor, control, configure)


@asynccontextmanager
async def stage(
    audit: Audit | None = None, door: Door | None = None, inherited: Inherited | None = None, **config: Any
) -> AsyncIterator[Stage]:
    """A started server, stopped at the end."""
    backend = FakeBackend()
    told = ServerConfig(stop_grace=0.2, **config)
    server = Server(told, backend, MemoryCallStore(), audit=audit, door=door, inherited=inherited)
    await server.start()
    on = Stage(server, backend)
    try:
        yield on
    finally:
        await on.close()
        await server.stop()


def play(scene: Callable[[Stage, Client], Coroutine[Any, Any, None]]) -> None:
    """A scene on a stage of its own, with one client."""

    async def main() -> None:
        async with stage() as on:
            await scene(on, on.client())

    asyncio.run(main())


def refusal(body: Any) -> BaseException:
    """What a client is to raise for this reply."""
    assert isinstance(body, m.RequestFailed)
    return failure.rebuild(body.failure)
