"""Who may reach for which call and app: the client whose it is, the containers of its apps, and operators."""

from __future__ import annotations

from typing import Any

import pytest

from motet.model.outcome import CallKind, NewInput, OutcomeKind
from motet.model.scaling import AutoscalerUpdate
from motet.server.access.tokens import OPERATOR
from motet.wire import client_messages as m
from motet.wire.operator_messages import EndCall
from tests.server.stage import Client, Stage, function, play, refusal


async def spawn(client: Client, function_id: str, call_id: str = "fc-1", index: int = 0) -> Any:
    return await client.answer(m.SubmitInputs(call_id, function_id, CallKind.SPAWNED, "", [NewInput(index, b"x")]))


@pytest.mark.parametrize(
    "body", [m.AwaitOutcomes("fc-1", 0), m.AwaitOutcomes("fc-1", 0, wait=False), m.ViewCall("fc-1")]
)
def test_another_client_sees_a_spawned_call_no_more_than_one_that_there_is_not(body: Any) -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        assert await spawn(client, function_id) == m.Done()
        assert "no spawned call fc-1 is kept" in str(refusal(await on.client().answer(body)))
        assert isinstance(await on.operator().answer(m.ViewCall("fc-1")), m.CallViewed)

    play(scene)


def test_another_client_cannot_add_to_a_spawned_call_or_cancel_it() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        await spawn(client, function_id)
        other = on.client()
        assert "fc-1" in str(refusal(await spawn(other, function_id, index=1)))
        other.say(m.CancelCall("fc-1", True))
        assert await client.answer(m.ViewCall("fc-1")) == m.CallViewed(1, function_id)
        container = await on.container()
        container.finish(await container.deliveries())
        assert (await client.answer(m.AwaitOutcomes("fc-1", 0))).ended[0].kind is OutcomeKind.SUCCESS

    play(scene)


def test_what_one_container_spawned_others_of_the_program_await_and_its_client_cancels() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (first,) = await client.create()
        (second,) = await client.create(function("g"), app_id="ap-2")
        client.call(first, call_id="fc-a")
        client.call(second, call_id="fc-b")
        one, two = await on.container(0), await on.container(1)
        inside, beside = on.client_inside(one.container_id), on.client_inside(two.container_id)
        assert await spawn(inside, first, "fc-c") == m.Done()
        asked = beside.ask(m.AwaitOutcomes("fc-c", 0))
        assert await client.answer(m.ViewCall("fc-c")) == m.CallViewed(1, first)
        client.say(m.CancelCall("fc-c"))
        reply = await beside.wait(m.Reply)
        assert (reply.request_id, reply.body.ended[0].kind) == (asked, OutcomeKind.CANCELLED)

    play(scene)


@pytest.mark.parametrize(
    "body",
    [
        m.StopApp("ap-1"),
        m.UpdateAutoscaler("fu-1", AutoscalerUpdate(max_containers=1)),
        EndCall("fc-1"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_code_in_a_container_makes_calls_and_no_decisions_about_what_runs(body: Any) -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        container = await on.container()
        inside = on.client_inside(container.container_id)
        assert "is refused to code in containers" in str(refusal(await inside.answer(body)))
        assert (await client.answer(m.ViewApp("ap-1"))).view.app_id == "ap-1"

    play(scene)


def test_an_app_is_its_clients_and_an_operators_to_stop_and_to_scale() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        other, operator = on.client(), on.operator()
        change = m.UpdateAutoscaler(function_id, AutoscalerUpdate(max_containers=1))
        for body in (change, m.StopApp("ap-1")):
            assert "belongs to another client" in str(refusal(await other.answer(body)))
        assert (await operator.answer(change)).settings.max_containers == 1
        assert await operator.answer(m.StopApp("ap-1")) == m.Done()

    play(scene)


def test_a_process_forked_from_the_program_acts_for_it() -> None:
    async def scene(on: Stage, client: Client) -> None:
        on.server.principals[OPERATOR] = client.session.number
        (function_id,) = await client.create()
        forked = on.operator()
        assert await spawn(forked, function_id) == m.Done()
        assert await client.answer(m.ViewCall("fc-1")) == m.CallViewed(1, function_id)
        client.say(m.CancelCall("fc-1"))
        assert (await forked.answer(m.AwaitOutcomes("fc-1", 0))).ended[0].kind is OutcomeKind.CANCELLED

    play(scene)
