"""A bug of ours in the engine or in an effect: everybody is told, nobody waits, and the server ends."""

from __future__ import annotations

import pytest

from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.errors import InternalError
from motet.model.outcome import InputEnd
from motet.server.config import ServerConfig
from motet.server.embedded import EmbeddedServer, LocalPeer
from motet.server.http.calls import WebCalls
from motet.wire import client_messages as m
from motet.wire import codec, failure
from motet.wire.hello import Hello
from motet.wire.web import RequestHead
from tests.server.stage import Client, Stage, function, play


async def breaks(on: Stage, client: Client) -> None:
    """A container can no longer be started, for a reason that no backend may have."""
    (function_id,) = await client.create(function("g"), app_id="ap-2")
    await on.backend.close()
    client.call(function_id, call_id="fc-2")


def told(message: m.Broken) -> str:
    error = failure.rebuild(message.failure)
    assert isinstance(error, InternalError)
    return str(error)


def test_every_client_gets_the_story_of_a_bug_and_the_server_ends() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        client.call(function_id)
        container = await on.container()
        await container.deliveries()
        remote = await on.connect()
        remote.say(Hello("client", on.server.token))
        remote.say(m.Request(1, m.AwaitOutcomes("fc-9", 0)))
        await remote.hear(codec.decode_to_client)
        await breaks(on, client)
        here = told(await client.wait(m.Broken))
        (broken,) = await remote.hear(codec.decode_to_client)
        assert told(broken) == here
        for fragment in ("InternalError: container", "the backend is not open", "InputsSubmitted('fc-2'"):
            assert fragment in here
        await remote.wait_closed()
        assert container.container_id in on.backend.kills
        assert on.server.ending.is_set()

    play(scene)


def test_who_comes_to_a_broken_server_is_told_so() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        client.call(function_id)
        await on.container()
        late = await on.connect()
        await breaks(on, client)
        await client.wait(m.Broken)
        late.say(Hello("client", on.server.token))
        assert "the backend is not open" in await late.refusal()

    play(scene)


def test_requests_to_web_functions_end_too() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        calls = WebCalls(on.server.connect)
        head = RequestHead("http", "GET", "http", "1.1", "/", None, b"", "", [], None, None, [], False, b"", True)
        call = calls.open(function_id, "", head, at_most_once=False)
        await on.wait(lambda: on.backend.launches)
        await breaks(on, client)
        assert await call.next_frame() is None
        assert isinstance(call.end, InputEnd)
        assert isinstance(failure.rebuild(call.end.payload), InternalError)

    play(scene)


def test_an_embedded_server_that_broke_is_gone_and_raises_what_happened() -> None:
    server = EmbeddedServer(ServerConfig())
    run_blocking(server.wait_started())
    assert server.server is not None
    assert server._loop is not None
    server._loop.call_soon_threadsafe(server.server._driver.fail, ZeroDivisionError("made up"))
    with pytest.raises(InternalError, match="made up"):
        run_blocking(server.connection.request(m.ViewApp("ap-1")))
    server._thread.join(10)
    assert not server._thread.is_alive()
    assert server.connection.ended
    run_blocking(server.stop())


class Careless:
    """Whoever waits for a call, and has a bug."""

    error: Exception | None = None

    def ended(self, ended: list[InputEnd]) -> None:
        raise ValueError("made up")

    def items(self, items: list[bytes]) -> None:
        """None come."""

    def lost(self, error: Exception) -> None:
        self.error = error


def test_a_client_in_this_process_that_cannot_take_a_message_does_not_break_the_server() -> None:
    connection, sink = Connection(), Careless()
    connection.open_call("fc-1", sink)
    LocalPeer(connection).send([m.Outcomes("fc-1", [])])
    assert isinstance(sink.error, InternalError)
