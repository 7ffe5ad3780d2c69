"""Strangers, broken frames and broken words over a real socket: refused with a reason, and nobody else notices."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import cloudpickle
import pytest

from motet.errors import VersionError
from motet.model.scaling import AutoscalerSettings
from motet.model.version import VERSION
from motet.server.peers import MAX_STRANGERS
from motet.wire import client_messages as m
from motet.wire import codec
from motet.wire.container_messages import Finished, Ready
from motet.wire.framing import LENGTH, MAX_FRAME_BYTES
from motet.wire.hello import PYTHON, WIRE_VERSIONS, Agreed, Hello
from motet.wire.operator_messages import EnvironmentViewed
from tests.server.stage import Stage, Wire, function, refusal, stage

Scene = Callable[[Stage, Wire], Coroutine[Any, Any, None]]


def play(scene: Scene, **config: Any) -> None:
    """Run a scene beside an app whose container must work before and after it."""

    async def main() -> None:
        async with stage(**config) as on:
            client = on.client()
            (function_id,) = await client.create()
            client.call(function_id)
            container = await on.container()
            first = await container.deliveries()
            wire = await on.connect()
            await scene(on, wire)
            await wire.close()
            container.finish(first)
            assert (await client.wait(m.Outcomes)).ended[0].payload == b"done"
            assert not on.backend.kills

    asyncio.run(main())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([Ready()], "the first message must be a hello"),
        ([Hello("executor", "wrong", "ta-nobody")], "not a container of this server"),
        ([Hello("client", "", "")], "not an operator of this server"),
        ([Hello("control", "", "", versions=(98, 99))], "upgrade Motet where the server runs"),
    ],
)
@pytest.mark.parametrize("listen", ["unix", "tcp"])
def test_who_does_not_introduce_itself_rightly_is_refused(said: list[Any], reason: str, listen: str) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.say(*said)
        assert reason in await wire.refusal()

    play(scene, listen=listen)


def test_the_token_of_one_container_does_not_open_the_door_for_another() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        launch = on.backend.launches[0]
        wire.say(Hello("executor", launch.token[:-1] + "x", launch.container_id))
        assert await wire.refusal() == "not a container of this server"

    play(scene)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xc1", b"not messagepack", b"\x91\x91\xa3xyz", os.urandom(1000)])
def test_a_frame_that_is_not_ours_is_refused(body: bytes) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.write(LENGTH.pack(len(body)) + body)
        assert "not Motet's" in await wire.refusal()

    play(scene)


def test_a_frame_longer_than_any_of_ours_is_refused_before_it_comes() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.write(LENGTH.pack(MAX_FRAME_BYTES + 1))
        assert "at most" in await wire.refusal()

    play(scene)


def test_an_empty_list_of_messages_is_no_hello_and_does_no_harm() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.say()
        wire.say(Ready())
        assert await wire.refusal() == "the first message must be a hello"

    play(scene)


@pytest.mark.parametrize("data", [b"", b"\x01", LENGTH.pack(100) + b"half"])
def test_who_leaves_in_the_middle_of_a_word_does_no_harm(data: bytes) -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        wire.write(data)
        await wire.close()

    play(scene)


def test_a_hello_that_comes_byte_by_byte_is_a_hello() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        launch = on.backend.launches[0]
        for byte in b"".join(codec.frames([Hello("client", launch.token, launch.container_id)])):
            wire.write(bytes([byte]))
            await asyncio.sleep(0)
        wire.say(m.Request(1, m.ViewFunction("fu-unknown")))
        (reply,) = await wire.hear(codec.decode_to_client)
        assert isinstance(reply.body, m.RequestFailed)

    play(scene)


def test_the_first_that_a_peer_hears_is_the_version_that_both_speak() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        launch = on.backend.launches[0]
        wire.say(Hello("client", launch.token, launch.container_id, versions=(WIRE_VERSIONS[0], 99)))
        assert await wire.hear_any(codec.decode_to_client) == [
            Agreed(WIRE_VERSIONS[1], PYTHON, cloudpickle.__version__, VERSION)
        ]

    play(scene)


def test_a_peer_of_another_version_is_told_which_the_server_speaks_whatever_it_says_next() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        launch = on.backend.launches[0]
        hello = Hello("executor", launch.token, launch.container_id, versions=(98, 99))
        unknown = b"\x91\x91\xa6future"
        wire.write(b"".join(codec.frames([hello])) + LENGTH.pack(len(unknown)) + unknown)
        (refused,) = await wire.hear_any(codec.decode_to_executor)
        assert refused.versions == WIRE_VERSIONS
        assert isinstance(refused.error("this container"), VersionError)

    play(scene)


def test_a_container_calls_functions_over_a_client_connection_of_its_own_and_says_hello_once() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        launch = on.backend.launches[0]
        hello = Hello("client", launch.token, launch.container_id)
        wire.say(hello)
        wire.say(hello)
        assert await wire.refusal() == "only the first message may be a hello"

    play(scene)


def test_what_only_a_client_may_say_is_nothing_from_a_container() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        launch = on.backend.launches[0]
        wire.say(Hello("control", launch.token, launch.container_id), m.CancelCall("fc-1"), Finished([]))
        await asyncio.sleep(0)

    play(scene)


def test_listening_on_anything_else_is_a_clear_error() -> None:
    async def main() -> None:
        async with stage(listen="carrier-pigeon"):
            pass

    with pytest.raises(Exception, match="MOTET_LISTEN must be 'unix' or 'tcp'"):
        asyncio.run(main())


def test_an_answer_that_is_too_large_is_a_refusal_and_harms_no_other() -> None:
    """Answers are cut where they hold lists; this one holds one value."""

    async def main() -> None:
        async with stage() as on:
            await on.client().create(function(autoscaler=AutoscalerSettings(min_containers=1)))
            launch, wire = on.backend.launches[0], await on.connect()
            wire.say(Hello("client", launch.token, launch.container_id), m.Request(1, m.ViewCall("fc-unknown")))
            assert isinstance((await wire.hear(codec.decode_to_client))[0].body, m.RequestFailed)
            peer = next(reversed(on.server._clients.values()))._peer
            too_large = EnvironmentViewed({"LARGE": "x" * MAX_FRAME_BYTES})
            peer.send([m.Reply(2, m.Done()), m.Reply(3, too_large), m.Reply(4, m.Done())])
            replies = [(await wire.hear(codec.decode_to_client))[0] for _ in range(3)]
            assert [reply.request_id for reply in replies] == [2, 3, 4]
            assert "256 MiB at most" in str(refusal(replies[1].body))

    asyncio.run(main())


def test_more_strangers_than_may_be_cost_the_oldest_of_them_and_nobody_else() -> None:
    async def scene(on: Stage, wire: Wire) -> None:
        strangers = on.server._strangers
        before = len(strangers)
        others = [await on.connect() for _ in range(MAX_STRANGERS - before)]
        await on.wait(lambda: len(strangers) == MAX_STRANGERS)
        one_more = await on.connect()
        await wire.wait_closed()
        assert len(strangers) == MAX_STRANGERS
        one_more.say(Hello("executor", "wrong", "ta-nobody"))
        assert await one_more.refusal() == "not a container of this server"
        await asyncio.gather(*(each.close() for each in others))
        await on.wait(lambda: len(strangers) == 0)

    play(scene)
