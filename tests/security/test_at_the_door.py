"""Strangers at the sockets of a server that stays: without a token, with a wrong one, with one that was good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from motet.errors import NotFoundError
from motet.model.outcome import CallKind, NewInput
from motet.server import peers
from motet.server.access.door import HomeDoor
from motet.server.access.tokens import Tokens
from motet.server.config import ServerConfig
from motet.server.port.config import PortConfig
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.wire import client_messages as m
from motet.wire import codec, report
from motet.wire.access_messages import RevokeToken
from motet.wire.framing import LENGTH, MAX_FRAME_BYTES
from motet.wire.hello import Agreed, Hello
from tests.server.access.test_tokens import Kept
from tests.server.stage import Wire, app


class House:
    """A server with a port, its tokens, and what time it is there."""

    def __init__(self) -> None:
        self.now = time.time()
        self.tokens = Tokens(Kept(), lambda: self.now)
        self.server = Server(
            ServerConfig(port=PortConfig(port=0), stop_grace=0.1),
            FakeBackend(),
            MemoryCallStore(),
            door=HomeDoor(self.tokens),
        )
        self._wires: list[Wire] = []

    async def knock(self) -> Wire:
        assert self.server.port is not None
        self._wires.append(await Wire.open(self.server.port.address))
        return self._wires[-1]

    async def says(self, token: str, **more: Any) -> str:
        """Why somebody is not let in; "" if it is."""
        wire = await self.knock()
        wire.say(Hello("client", token, **more))
        (first,) = await wire.hear_any(codec.decode_to_client)
        return "" if isinstance(first, Agreed) else str(first.reason)

    async def enter(self, token: str) -> Wire:
        wire = await self.knock()
        wire.say(Hello("client", token))
        (first,) = await wire.hear_any(codec.decode_to_client)
        assert isinstance(first, Agreed)
        return wire

    async def close(self) -> None:
        for wire in self._wires:
            await wire.close()
        await self.server.stop()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    here = House()
    await here.server.start()
    try:
        yield here
    finally:
        await here.close()


def play(scene: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with house() as here:
            await scene(here)

    asyncio.run(main())


async def answer(wire: Wire, body: Any) -> Any:
    wire.say(m.Request(1, body))
    (reply,) = await wire.hear(codec.decode_to_client)
    return reply.body


def test_without_a_token_or_with_one_that_is_none_nobody_comes_in() -> None:
    async def scene(here: House) -> None:
        good = here.tokens.new("ci", ("call",))
        short = here.tokens.new("short", ("call",), 10.0)
        gone = here.tokens.new("gone", ("call",))
        assert await here.says(good) == await here.says(short) == ""
        here.tokens.revoke("gone")
        here.now += 10.0
        assert await here.says("") == "a token is needed here: put one in MOTET_TOKEN"
        for token in ("x", good[:-1], good + "x", good.upper(), gone, short, "motet_", "\x00", "ü" * 1000):
            assert "is none here" in await here.says(token)
        (kept,) = [each for each in here.tokens.all() if each.name == "ci"]
        assert "is none here" in await here.says(kept.hash)

    play(scene)


def test_what_was_recorded_of_a_connection_is_worth_nothing_once_its_token_is_revoked() -> None:
    async def scene(here: House) -> None:
        admin, ci = here.tokens.new("admin", ("administer",)), here.tokens.new("ci", ("call", "deploy"))
        recorded = b"".join(codec.frames([Hello("client", ci), m.Request(1, m.CreateApp("ap-1", app()))]))
        first = await here.knock()
        first.write(recorded)
        assert isinstance((await first.hear(codec.decode_to_client))[0].body, m.AppCreated)
        assert await answer(await here.enter(admin), RevokeToken("ci")) == m.Done()
        assert await first.refusal() == "the token was revoked"
        again = await here.knock()
        again.write(recorded)
        assert "is none here" in await again.refusal()

    play(scene)


def test_a_connection_that_goes_on_after_its_token_expired_is_cut_off() -> None:
    async def scene(here: House) -> None:
        wire = await here.enter(here.tokens.new("ci", ("call",), 10.0))
        (guest,) = here.server._guests._guests
        guest.until = 0.0  # as if that time had passed
        wire.say(m.Request(1, m.ViewApp("ap-1")))
        assert await wire.refusal() == "the token has expired"

    play(scene)


def test_the_credential_of_one_container_is_no_other_ones_and_no_operators() -> None:
    async def scene(here: House) -> None:
        ci = await here.enter(here.tokens.new("ci", ("call", "deploy")))
        created = await answer(ci, m.CreateApp("ap-1", app()))
        function_id = created.functions[0][2]
        ci.say(m.SubmitInputs("fc-1", function_id, CallKind.ATTACHED, "", [NewInput(0, b"x")]))
        backend: Any = here.server._backend._own
        while not backend.launches:  # noqa: ASYNC110 - a backend tells nobody
            await asyncio.sleep(0.001)
        launch = backend.launches[0]
        for role, container_id, token in (
            ("executor", launch.container_id, "0" * 32),
            ("executor", "ta-other", launch.token),
            ("control", launch.container_id, ""),
            ("client", launch.container_id, launch.token[:-1]),
        ):
            wire = await here.knock()
            wire.say(Hello(role, token, container_id))  # type: ignore[arg-type]
            heard = await wire.hear(codec.decode_to_client)
            assert heard[0].reason == "not a container of this server"
        assert "is none here" in await here.says(launch.token)
        once, twice = await here.knock(), await here.knock()
        once.say(Hello("executor", launch.token, launch.container_id))
        await once.hear(codec.decode_to_executor)
        twice.say(Hello("executor", launch.token, launch.container_id))
        assert "connected already" in str(await twice.hear(codec.decode_to_client))

    play(scene)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (LENGTH.pack(MAX_FRAME_BYTES + 1), "at most 268435456 are allowed"),
        (LENGTH.pack(2**20) + b"\0" * (peers.HELLO_BYTES + 1), "no longer than 65536 bytes"),
        (b"".join(codec.frames([m.CancelCall("fc-1")])), "the first message must be a hello"),
        (LENGTH.pack(3) + b"abc", ""),
    ],
    ids=["announced", "sent", "no hello", "nonsense"],
)
def test_a_stranger_who_sends_too_much_or_what_is_no_hello_is_sent_away(sent: bytes, reason: str) -> None:
    async def scene(here: House) -> None:
        wire = await here.knock()
        wire.write(sent)
        assert reason in await wire.refusal()

    play(scene)


def test_of_too_many_strangers_those_who_have_waited_longest_go_and_who_says_hello_comes_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(here: House) -> None:
        here.server._strangers._most = 3
        token = here.tokens.new("ci", ("call",))
        strangers = [await here.knock() for _ in range(6)]
        await strangers[0].wait_closed()
        await here.enter(token)
        assert sum(wire.is_closed for wire in strangers) <= 5
        assert len(here.server._strangers) <= 3

    play(scene)


def test_nobody_reaches_what_is_anothers() -> None:
    async def scene(here: House) -> None:
        rights = ("call", "deploy", "look")
        alice, eve = [await here.enter(here.tokens.new(name, rights)) for name in ("alice", "eve")]
        created = await answer(alice, m.CreateApp("ap-1", app()))
        function_id = created.functions[0][2]
        spawned = m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert await answer(alice, spawned) == m.Done()
        for body in (m.ViewCall("fc-1"), m.AwaitOutcomes("fc-1", 0, wait=False), spawned, m.StopApp("ap-1")):
            found = await answer(eve, body)
            assert isinstance(found, m.RequestFailed), body
        missing = await answer(eve, m.ViewCall("fc-none"))
        there = await answer(eve, m.ViewCall("fc-1"))
        kinds = [report.read(each.failure).type_name.rpartition(".")[2] for each in (missing, there)]
        assert kinds == [NotFoundError.__name__] * 2
        eve.say(m.CancelCall("fc-1", True), m.FeedCall("fc-1", 0, [b"y"]), m.AckCallItems("fc-1", 0, 1))
        assert await answer(alice, m.ViewCall("fc-1")) == m.CallViewed(1, function_id)

    play(scene)
