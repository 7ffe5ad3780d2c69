"""Spawned calls that are cancelled while their server ends: the next one does not run them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from motet.model.outcome import CallKind, NewInput
from motet.server.config import ServerConfig
from motet.server.containers.come_back import Inherited
from motet.server.server import Server
from motet.store.journal_memory import JournalMemory, MemoryJournal
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.wire import client_messages as m
from tests.server.stage import Client

MANY = 1200
"""Inputs, which take the engine several turns to end."""


async def nothing() -> None:
    """No container stays."""


def play(scene: Callable[[Server, Client, str], Coroutine[Any, Any, None]], *, hands_over: bool = False) -> set[str]:
    """A scene with a server, a client and a function, whose containers never start; which calls the next server would run."""
    memory = JournalMemory()

    async def main() -> None:
        config, inherited = ServerConfig(stop_grace=0.2), Inherited([], 1, nothing)
        server = Server(config, FakeBackend(), MemoryCallStore(), inherited=inherited, journal=MemoryJournal(memory))
        await server.start()
        try:
            client = Client(server)
            (function_id,) = await client.create()
            await scene(server, client, function_id)
        finally:
            server.hands_over = hands_over
            await server.stop()

    asyncio.run(main())
    return set(memory.unfinished)


async def spawn(client: Client, function_id: str, *call_ids: str, first: int = 0, count: int = 1) -> None:
    inputs = [NewInput(index, b"x") for index in range(first, first + count)]
    for call_id in call_ids:
        asked = m.SubmitInputs(call_id, function_id, CallKind.SPAWNED, "", inputs)
        assert await client.answer(asked) == m.Done()


@pytest.mark.parametrize("hands_over", [False, True])
def test_all_of_a_large_call_is_cancelled_though_the_server_ends_right_after(hands_over: bool) -> None:
    async def scene(server: Server, client: Client, function_id: str) -> None:
        await spawn(client, function_id, "fc-other")
        for first in range(0, MANY, 400):
            await spawn(client, function_id, "fc-1", first=first, count=400)
        client.say(m.CancelCall("fc-1"))

    assert play(scene, hands_over=hands_over) == {"fc-other"}


def test_a_call_that_is_cancelled_when_its_inputs_have_ended_with_the_server_is_cancelled() -> None:
    async def scene(server: Server, client: Client, function_id: str) -> None:
        await spawn(client, function_id, "fc-1", "fc-2", count=3)
        ending = asyncio.ensure_future(server.stop())
        await client.wait(m.Farewell)
        assert not server.operations.has_call("fc-1")
        client.say(m.CancelCall("fc-1"))
        await ending

    assert play(scene) == {"fc-2"}


def test_a_call_that_is_cancelled_after_the_engine_has_closed_in_a_hand_over_is_cancelled() -> None:
    async def scene(server: Server, client: Client, function_id: str) -> None:
        await spawn(client, function_id, "fc-1", "fc-2", count=3)
        server.hands_over = True
        server._spawned.ending()
        server._driver.close()
        client.say(m.CancelCall("fc-1"))

    assert play(scene, hands_over=True) == {"fc-2"}


def test_what_waits_is_left_to_the_next_server_without_a_look_at_each_input() -> None:
    async def scene(server: Server, client: Client, function_id: str) -> None:
        for first in range(0, MANY, 400):
            await spawn(client, function_id, "fc-1", first=first, count=400)
        await spawn(client, function_id, "fc-2", "fc-3")
        server._spawned.ending()
        server._lifetimes.stop_all(server._stopped.set, leaves_spawned=True)
        assert not server._driver.engine.has_backlog

    assert play(scene) == {"fc-1", "fc-2", "fc-3"}
