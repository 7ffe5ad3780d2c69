"""Variants of functions that nobody uses are retired, and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from motet.errors import ResourceExhaustedError
from motet.model.function import FunctionVariant
from motet.model.parameters import ParameterSpec
from motet.model.scaling import AutoscalerUpdate
from motet.server.apps import variants
from motet.server.config import ServerConfig
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.wire import client_messages as m
from motet.wire.parameters import encoded_parameters
from tests.server.stage import Client, function
from tests.server.virtual_loop import run_virtually

Scene = Callable[[Server, Client, str], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    """With a class that has a parameter; time passes as asyncio's clock says."""

    async def main() -> None:
        server = Server(ServerConfig(listen="nowhere", stop_grace=0.2), FakeBackend(), MemoryCallStore())
        await server.start()
        client = Client(server)
        (function_id,) = await client.create(function(parameters=(ParameterSpec(name="n", type_name="int"),)))
        await scene(server, client, function_id)
        await server.stop()

    run_virtually(main())


def variant(number: int) -> FunctionVariant:
    return FunctionVariant(parameters_given=encoded_parameters({"n": number}, "f"))


def kept(server: Server) -> tuple[int, int, int, int]:
    """Of variants: functions, variants, pools, names that are counted."""
    catalogue, engine = server._catalogue, server._driver.engine
    return len(catalogue._functions) - 1, len(catalogue._variants), len(engine.state.pools), len(server._tally._names)


def test_nothing_is_kept_of_a_variant_that_nobody_calls_and_its_id_brings_it_back_as_it_was() -> None:
    async def scene(server: Server, client: Client, function_id: str) -> None:
        bound = (await client.answer(m.BindFunction(function_id, variant(1)))).function_id
        await client.answer(m.UpdateAutoscaler(bound, AutoscalerUpdate(max_containers=3)))
        server._tally.counts()
        assert kept(server) == (1, 1, 1, 1)
        await asyncio.sleep(121)
        server._tally.counts()
        assert kept(server) == (0, 0, 0, 0)
        client.call(bound)
        assert [launch.env["MOTET_APP_ID"] for launch in server._backend._own.launches] == ["ap-1"]
        assert kept(server)[:3] == (1, 1, 1)
        assert (await client.answer(m.ViewFunction(bound))).view.waiting_inputs == 1
        assert server._catalogue.settings(bound).max_containers == 3
        assert (await client.answer(m.BindFunction(function_id, variant(1)))).function_id == bound

    play(scene)


@pytest.mark.parametrize("body", [m.ViewFunction, lambda bound: m.UpdateAutoscaler(bound, AutoscalerUpdate())])
def test_whoever_asks_about_a_retired_variant_is_answered(body: Callable[[str], Any]) -> None:
    async def scene(server: Server, client: Client, function_id: str) -> None:
        bound = (await client.answer(m.BindFunction(function_id, variant(1)))).function_id
        await asyncio.sleep(121)
        assert not isinstance(await client.answer(body(bound)), m.RequestFailed)
        await client.answer(m.StopApp("ap-1"))
        assert isinstance(await client.answer(body(bound)), m.RequestFailed)
        assert server._catalogue._variants._retired == {}

    play(scene)


def test_requests_make_so_many_variants_and_the_next_ones_when_those_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MAX_BY_REQUESTS", 5)

    async def scene(server: Server, client: Client, function_id: str) -> None:
        bind = server._catalogue.bind
        first = [bind(function_id, variant(n), by_request=True) for n in range(5)]
        with pytest.raises(ResourceExhaustedError, match="requests with 5 different parameters were served lately"):
            bind(function_id, variant(5), by_request=True)
        assert [bind(function_id, variant(n), by_request=True) for n in range(5)] == first
        assert bind(function_id, variant(0)) == first[0], "a client may have as many as it likes"
        bind(function_id, variant(5), by_request=True)
        await asyncio.sleep(60)
        bind(function_id, variant(1), by_request=True)
        await asyncio.sleep(61)
        assert kept(server)[:3] == (1, 1, 1)
        assert server._catalogue._variants.is_retired(first[0])
        assert len(server._catalogue._variants._retired) == 1, "those of requests are not remembered"
        assert bind(function_id, variant(2), by_request=True) not in first

    play(scene)
