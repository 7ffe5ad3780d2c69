"""The agent of a host that has joined: how it finds its server, what it does for it, and what becomes of containers without."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from motet.agent.joined_agent import JoinedAgent, this_machine
from motet.agent.server_line import MOST_RELAYED, Relay, ServerLine
from motet.backends.base import ContainerEnd
from motet.errors import ConnectionError
from motet.model.host import HostSpec, why_not_a_host
from motet.model.isolation import Walls
from motet.model.template import TemplateSpec
from motet.testing.backends import FakeBackend
from motet.wire import codec
from motet.wire import host_messages as m
from motet.wire.codec import ToServer
from motet.wire.framing import LENGTH
from motet.wire.hello import Agreed, Refused
from motet.wire.message import Message

PATIENCE = 20.0


class Heard:
    """One connection of an agent, as a server has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._messages: list[ToServer] = []

    def say(self, *messages: Message) -> None:
        self.writer.write(b"".join(codec.frames(messages)))

    async def hear(self) -> Any:
        while not self._messages:
            async with asyncio.timeout(PATIENCE):
                (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
                self._messages += codec.decode_to_server(memoryview(await self._reader.readexactly(length)))
        return self._messages.pop(0)


class Scene:
    """An agent whose containers are made up, and the server that it dials."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.backend = FakeBackend()
        self._came: asyncio.Queue[Heard] = asyncio.Queue()
        self._all: list[asyncio.StreamWriter] = []

    async def open(self, **options: Any) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.line = ServerLine(f"tcp:127.0.0.1:{port}")
        host = HostSpec(host_id="box")
        self.agent = JoinedAgent(self.line, "secret", host, self.directory, backend=self.backend, **options)
        self.running = asyncio.create_task(self.agent.run())

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.append(writer)
        self._came.put_nowait(Heard(reader, writer))

    async def connection(self) -> Heard:
        async with asyncio.timeout(PATIENCE):
            return await self._came.get()

    async def joined(self, *known: str) -> tuple[Heard, m.HostJoins]:
        heard = await self.connection()
        hello, joins = await heard.hear(), await heard.hear()
        assert (hello.role, hello.token) == ("host", "secret")
        heard.say(Agreed(1), m.HostIsWelcome(known))
        return heard, joins

    async def close(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        self._server.close()
        for writer in self._all:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._all), return_exceptions=True)


def play(directory: Path, scene: Callable[[Scene], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        on = Scene(directory)
        await on.open(**options)
        try:
            await scene(on)
        finally:
            await on.close()

    asyncio.run(main())


def test_it_starts_what_it_is_told_answers_questions_and_tells_what_became_of_it(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server, joins = await on.joined()
        assert (joins.host, joins.holds) == (HostSpec(host_id="box", bundles=f"{tmp_path}/bundles/trees"), ())
        server.say(m.StartHosted("ta-1", "credential", {b"A": b"1"}, paths=(str(tmp_path),)), m.AskHost(7))
        assert await server.hear() == m.HostAnswers(7)
        (launch,) = on.backend.launches
        assert (launch.container_id, launch.token, launch.env) == ("ta-1", "credential", {"A": "1"})
        assert launch.address == f"unix:{tmp_path}/server"
        on.backend.write("ta-1", "stderr", b"oh")
        assert await server.hear() == m.HostedWrote("ta-1", "stderr", b"oh")
        on.backend.freeze("ta-1")
        assert await server.hear() == m.HostedFroze("ta-1")
        server.say(m.EndHosted("ta-1"))
        assert await server.hear() == m.HostedEnded("ta-1", -9)

    play(tmp_path, scene)


def test_what_it_cannot_start_ends_with_one_sentence_of_why(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server, _ = await on.joined()
        server.say(m.StartHosted("ta-1", "", {}, paths=(str(tmp_path), f"{tmp_path}/not-here")))
        ended = await server.hear()
        assert ended.code != 0
        assert ended.reason == (
            f"could not be started: host box does not have {tmp_path}/not-here, which the program is run from: have the same "
            "files there, or end its agent"
        )
        server.say(m.StartHosted("ta-2", "", {}, TemplateSpec(walls=Walls(isolation="bubblewrap"))))
        assert "host box has no walls" in (await server.hear()).reason
        assert on.backend.launches == []

    play(tmp_path, scene)


def test_it_dials_again_and_ends_what_its_server_does_not_know_any_more(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server, first = await on.joined()
        server.say(m.StartHosted("ta-1", "", {}), m.StartHosted("ta-2", "", {}))
        server.say(m.AskHost(1))
        await server.hear()
        server.writer.close()
        server, again = await on.joined("ta-2")
        assert (again.holds, again.agent) == (("ta-1", "ta-2"), first.agent)
        assert await server.hear() == m.HostedEnded("ta-1", -9)
        assert list(on.backend.running) == ["ta-2"]
        server.say(m.SendHostAway())
        assert await server.hear() == m.HostedEnded("ta-2", -9)
        server.writer.close()
        _, third = await on.joined()  # to whoever comes after that server
        assert third.holds == ()

    play(tmp_path, scene)


def test_without_a_server_its_containers_end_after_the_grace(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server, _ = await on.joined()
        server.say(m.StartHosted("ta-1", "", {}), m.AskHost(1))
        await server.hear()
        server.writer.close()
        on._server.close()
        async with asyncio.timeout(PATIENCE):
            while on.backend.running:  # noqa: ASYNC110 - a backend tells nobody
                await asyncio.sleep(0.01)

    play(tmp_path, scene, grace=0.05)


def test_one_that_leaves_says_so_and_waits_for_what_it_has(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server, _ = await on.joined()
        server.say(m.StartHosted("ta-1", "", {}), m.AskHost(1))
        await server.hear()
        leaving = asyncio.create_task(on.agent.leave())
        assert (await server.hear()).host.leaving == "is to be turned off"
        assert not leaving.done()
        on.backend.end("ta-1", 0)
        await asyncio.wait_for(asyncio.gather(leaving, on.running), PATIENCE)

    play(tmp_path, scene)


def test_one_that_is_refused_says_why_and_ends(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server = await on.connection()
        await server.hear()
        server.say(Refused("the token is none here"))
        with pytest.raises(ConnectionError, match="the token is none here"):
            await asyncio.wait_for(on.running, PATIENCE)

    play(tmp_path, scene)


def test_what_containers_write_is_left_out_while_the_server_does_not_read(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        server, _ = await on.joined()
        server.say(m.StartHosted("ta-1", "", {}), m.AskHost(1))
        await server.hear()
        megabyte = b"x" * 2**20
        for _ in range(64):
            on.agent.container_output("ta-1", "stdout", megabyte)
        on.agent.container_ended(ContainerEnd(container_id="ta-1", code=0))
        heard = []
        while not heard or not isinstance(heard[-1], m.HostedEnded):
            heard.append(await server.hear())
        assert 1 <= len(heard) < 40, "what it tells of ends is not left out"

    play(tmp_path, scene)


def test_connections_to_the_relay_go_on_to_the_server_and_end_with_either_side(tmp_path: Path) -> None:
    async def scene(on: Scene) -> None:
        await on.joined()
        large = bytes(range(256)) * 8192
        for ends in ("server", "container"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "server"))
            there = await on.connection()
            writer.write(large)
            assert await there._reader.readexactly(len(large)) == large
            there.writer.write(b"answer")
            assert await reader.readexactly(6) == b"answer"
            (there.writer if ends == "server" else writer).close()
            assert await (reader if ends == "server" else there._reader).read() == b""
            writer.close()
            await writer.wait_closed()

    play(tmp_path, scene)


def test_the_relay_ends_connections_when_there_is_no_server_or_there_are_too_many(tmp_path: Path) -> None:
    async def main() -> None:
        relay = Relay(ServerLine("tcp:127.0.0.1:1"), tmp_path / "socket")
        await relay.open()
        try:
            assert (tmp_path / "socket").stat().st_mode & 0o777 == 0o600
            for full in (False, True):
                if full:
                    relay._open.update(range(MOST_RELAYED))  # type: ignore[arg-type]
                reader, writer = await asyncio.open_unix_connection(str(tmp_path / "socket"))
                assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
                writer.close()
            relay._open.clear()
        finally:
            await relay.close()

    asyncio.run(main())


@contextlib.contextmanager
def raises(text: str) -> Iterator[None]:
    with pytest.raises(ConnectionError, match=text):
        yield


def test_an_address_that_is_none_is_told() -> None:
    with raises("not by a WebSocket"):
        ServerLine("wss://server.example")
    with raises("no connection to the server at tcp:127.0.0.1:1"):
        asyncio.run(ServerLine("tcp:127.0.0.1:1").dial())


def test_this_machine_is_a_host() -> None:
    found = this_machine("box", cpu=3, labels={"zone": "a"})
    assert (found.host_id, found.cpu, found.labels) == ("box", 3, {"zone": "a"})
    assert found.memory_mib
    assert found.memory_mib > 100
    assert why_not_a_host(this_machine()) == ""
