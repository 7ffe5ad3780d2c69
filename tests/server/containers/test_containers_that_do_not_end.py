"""A container that is killed and whose end is not reported: the server goes on without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from motet.core.events import ContainerStopAsked
from motet.model.outcome import OutcomeKind
from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.server.containers.containers import CUT_TIMEOUT, KILL_TIMEOUT
from motet.wire import client_messages as m
from tests.server.stage import Client, Container, Stage, function, stage
from tests.server.virtual_loop import run_virtually

Scene = Callable[[Stage, Client], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    async def main() -> None:
        async with stage() as on:
            on.backend.obeys_kills = False
            await scene(on, on.client())
            for container_id in list(on.backend.running):
                on.backend.end(container_id, -9)

    run_virtually(main())


async def serving(on: Stage, client: Client, **options: Any) -> tuple[str, Container]:
    """A container that runs an input of call fc-1, of a function that may have no other container."""
    (function_id,) = await client.create(function(autoscaler=AutoscalerSettings(max_containers=1), **options))
    client.call(function_id)
    container = await on.container()
    await container.deliveries()
    return function_id, container


async def runs_again(on: Stage, client: Client) -> None:
    other = await on.container(1)
    other.finish(await other.deliveries())
    (ended,) = (await client.wait(m.Outcomes)).ended
    assert ended.kind is OutcomeKind.SUCCESS


def test_what_a_container_ran_that_lost_its_connection_runs_elsewhere_soon() -> None:
    async def scene(on: Stage, client: Client) -> None:
        _, container = await serving(on, client, timeout=CUT_TIMEOUT + 1.0)
        began = asyncio.get_running_loop().time()
        await container.executor.close()
        await container.control.close()
        await runs_again(on, client)
        assert asyncio.get_running_loop().time() - began < CUT_TIMEOUT + 0.5

    play(scene)


def test_a_container_that_an_operator_kills_in_vain_is_given_up_and_the_pool_goes_on() -> None:
    async def scene(on: Stage, client: Client) -> None:
        _, container = await serving(on, client)
        on.server._driver.take(ContainerStopAsked(container.container_id, graceful=False))
        await asyncio.sleep(30 + KILL_TIMEOUT - 1)  # its exit hooks have the grace of a stop
        assert len(on.backend.launches) == 1
        await asyncio.sleep(2)
        await runs_again(on, client)
        await container.executor.wait_closed()

    play(scene)


def test_a_late_report_of_a_container_that_was_given_up_is_ignored() -> None:
    async def scene(on: Stage, client: Client) -> None:
        _, container = await serving(on, client)
        await container.executor.close()
        await container.control.close()
        await runs_again(on, client)
        on.backend.end(container.container_id, 0)
        await asyncio.sleep(5)
        view = on.server.operations.views()[0].functions[0]
        assert [each.container_id for each in view.containers] == [on.backend.launches[1].container_id]
        assert on.server.broken is None

    play(scene)


def test_what_is_delivered_to_a_container_that_lost_its_connection_runs_elsewhere_uncharged() -> None:
    """Its end is reported later: what never came there was not lost there, and may not count as what has killed it."""

    async def scene(on: Stage, client: Client) -> None:
        bounds = AutoscalerSettings(max_containers=2)
        spec = function(
            autoscaler=bounds, concurrency=Concurrency(max_inputs=2, target_inputs=2), delivery="at_most_once"
        )
        (function_id,) = await client.create(spec)
        client.call(function_id)
        container = await on.container()
        await container.deliveries()
        await container.executor.close()
        await on.wait(lambda: on.backend.kills == [container.container_id])
        client.call(function_id, call_id="fc-2")
        other = await on.container(1)
        other.finish(await other.deliveries())
        ended = await client.wait(m.Outcomes)
        assert (ended.call_id, ended.ended[0].kind) == ("fc-2", OutcomeKind.SUCCESS)
        assert (await client.wait(m.Outcomes)).ended[0].kind is OutcomeKind.LOST

    play(scene)


def test_an_app_stops_though_a_container_of_it_cannot_be_killed() -> None:
    async def main() -> None:
        async with asyncio.timeout(60), stage() as on:
            on.backend.obeys_kills = False
            _, container = await serving(on, on.client())
            operator = on.operator()
            number = operator.ask(m.StopApp("ap-1"))
            await asyncio.sleep(1 + KILL_TIMEOUT)
            assert operator.sent == [m.Reply(number, m.Done())]
            on.backend.end(container.container_id, -9)

    run_virtually(main())
