"""Containers are asked whether they are there; what does not answer gets no new inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.server.containers.heartbeats import INTERVAL, LOST_AFTER, SILENT_AFTER
from motet.wire import client_messages as m
from motet.wire.container_messages import StoodStill
from tests.server.stage import Client, Container, Stage, function, stage
from tests.server.virtual_loop import run_virtually

SILENT = SILENT_AFTER * INTERVAL
ONE = AutoscalerSettings(max_containers=1, scaledown_window=3600.0)

Scene = Callable[[Stage, Client, Container], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    """With a container that runs input 0 of call fc-1, has room for another, and is asked from now on."""

    async def main() -> None:
        async with stage() as on:
            client = on.client()
            spec = function(autoscaler=ONE, concurrency=Concurrency(max_inputs=2, target_inputs=2))
            (function_id,) = await client.create(spec)
            client.call(function_id)
            container = await on.container()
            container.finish(await container.deliveries())
            await client.wait(m.Outcomes)
            on.server._containers.heartbeats.start()
            await scene(on, client, container)

    run_virtually(main())


def state(on: Stage) -> str:
    (view,) = on.server.operations.views()
    (container,) = view.functions[0].containers
    return container.state


async def until_asked(times: int) -> None:
    """And a little longer."""
    await asyncio.sleep(times * INTERVAL + INTERVAL / 2)


def test_one_that_does_not_answer_is_silent_until_it_does() -> None:
    async def scene(on: Stage, client: Client, container: Container) -> None:
        await until_asked(SILENT_AFTER)
        assert state(on) == "ready"
        await asyncio.sleep(INTERVAL)
        assert state(on) == f"silent (it has not answered for {SILENT:g} s)"
        container.executor.say(StoodStill(0.0))
        await asyncio.sleep(0.1)
        assert state(on) == "ready"

    play(scene)


def test_one_that_answers_late_but_does_is_not() -> None:
    async def scene(on: Stage, client: Client, container: Container) -> None:
        await until_asked(SILENT_AFTER)
        for _ in range(20):
            container.executor.say(StoodStill(0.0))
            await asyncio.sleep(INTERVAL)
            assert state(on) == "ready"

    play(scene)


def test_one_that_is_silent_for_long_and_holds_nothing_is_ended() -> None:
    async def scene(on: Stage, client: Client, container: Container) -> None:
        await until_asked(LOST_AFTER)
        assert container.container_id not in on.backend.kills
        await asyncio.sleep(INTERVAL)
        assert container.container_id in on.backend.kills

    play(scene)


def test_a_silent_host_makes_all_of_its_containers_silent_whatever_they_say() -> None:
    async def scene(on: Stage, client: Client, container: Container) -> None:
        await until_asked(1)
        on.server._containers.backend_silent("the host agent, process 7, has not answered for 10 s")
        out_of_reach = "silent (it is out of reach: the host agent, process 7, has not answered for 10 s)"
        container.executor.say(StoodStill(0.0))
        await asyncio.sleep(0.1)
        assert state(on) == out_of_reach
        on.server._containers.backend_heard()
        assert state(on) == "ready"

    play(scene)


def test_what_a_container_says_of_standstills_that_nobody_asked_for_buys_no_time() -> None:
    async def scene(on: Stage, client: Client, container: Container) -> None:
        assert on.server._containers.stood_still(container.container_id, 3600.0) == []
        on.server._containers.ask_standstill(20.0)
        (event,) = on.server._containers.stood_still(container.container_id, 3600.0)
        assert event.seconds == 20.0  # type: ignore[attr-defined]
        assert on.server._containers.stood_still(container.container_id, 3600.0) == []

    play(scene)
