"""What operators see of a server and ask of it; and what code in containers may not."""

from __future__ import annotations

from typing import Any

import pytest

from motet.errors import NotFoundError, PermissionDeniedError
from motet.model.outcome import CallKind, NewInput
from motet.model.scaling import AutoscalerSettings
from motet.records.queries import LogQuery
from motet.wire import codec, failure
from motet.wire import operator_messages as m
from motet.wire.client_messages import AwaitOutcomes, Done, Outcomes, Request, SubmitInputs
from motet.wire.container_messages import Stop
from motet.wire.hello import Hello
from tests.server.stage import Client, Stage, function, play, refusal


def test_an_operator_sees_all_apps_and_the_inputs_that_have_not_ended() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function(autoscaler=AutoscalerSettings(max_containers=1)))
        client.call(function_id, count=3)
        await on.container()
        operator = on.client()
        await on.wait(lambda: on.server.operations.views()[0].functions[0].running_inputs == 1)
        (view,) = (await operator.answer(m.ViewServer())).views
        assert (view.app_id, view.functions[0].waiting_inputs) == ("ap-1", 2)
        inputs = (await operator.answer(m.ViewInputs("fc-1", None, 10))).views
        assert [each.state for each in inputs] == ["running", "waiting", "waiting"]
        assert (await operator.answer(m.ViewInputs(None, function_id, 1))).views == inputs[:1]
        assert (await operator.answer(m.ViewInputs("fc-none", None, 10))).views == []

    play(scene)


def test_an_operator_cancels_anybodys_call() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        client.call(function_id)
        assert isinstance(await on.client().answer(m.EndCall("fc-1")), Done)
        outcome = (await client.wait(Outcomes)).ended[0]
        assert "by an operator" in str(failure.rebuild(outcome.payload))
        assert isinstance(refusal(await on.client().answer(m.EndCall("fc-1"))), NotFoundError)

    play(scene)


def test_a_container_that_an_operator_stops_is_told_to_and_its_input_runs_elsewhere() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        client.call(function_id)
        container = await on.container()
        await container.deliveries()
        assert isinstance(await on.client().answer(m.EndContainer(container.container_id)), Done)
        (stop,) = await container.control.hear(codec.decode_to_control)
        assert isinstance(stop, Stop)
        await on.end(container)
        second = await on.container(1)
        second.finish(await second.deliveries())
        assert (await client.wait(Outcomes)).ended[0].payload == b"done"
        assert isinstance(refusal(await on.client().answer(m.EndContainer("ta-none"))), NotFoundError)

    play(scene)


def test_a_server_without_records_says_so() -> None:
    async def scene(on: Stage, client: Client) -> None:
        problem = refusal(await client.answer(m.FindLogs(LogQuery())))
        assert isinstance(problem, NotFoundError)
        assert "MOTET_RECORDS" in str(problem)

    play(scene)


@pytest.mark.parametrize("body", [m.ViewEnvironment("ta-x"), m.EndContainer("ta-x"), m.OpenDashboard()])
def test_code_in_a_container_cannot_reach_for_others(body: Any) -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        client.call(function_id, kind=CallKind.ATTACHED)
        await on.wait(lambda: on.backend.launches)
        launch = on.backend.launches[0]
        wire = await on.connect()
        wire.say(Hello("client", launch.token, launch.container_id), Request(1, body))
        (reply,) = await wire.hear(codec.decode_to_client)
        problem = refusal(reply.body)
        assert isinstance(problem, PermissionDeniedError)
        assert "refused to code in containers" in str(problem)

    play(scene)


def test_an_operator_comes_in_with_the_servers_token() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        client.call(function_id)
        await on.wait(lambda: on.backend.launches)
        wire = await on.connect()
        wire.say(Hello("client", on.server.token), Request(1, m.ViewServer()))
        (reply,) = await wire.hear(codec.decode_to_client)
        assert [view.app_id for view in reply.body.views] == ["ap-1"]

    play(scene)


def test_a_spawned_call_that_has_ended_is_erased_with_its_result_and_one_that_runs_is_not() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())
        await client.answer(SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")]))
        container = await on.container()
        held = await container.deliveries()
        refused = refusal(await client.answer(m.EraseCalls(("fc-1",))))
        assert "fc-1 has inputs that have not ended: `motet call cancel fc-1` ends them" in str(refused)
        container.finish(held)
        assert isinstance(await client.answer(AwaitOutcomes("fc-1", 0)), Outcomes)
        assert isinstance(await client.answer(m.EraseCalls(("fc-1",))), Done)
        assert isinstance(refusal(await client.answer(AwaitOutcomes("fc-1", 0))), NotFoundError)
        assert "nothing is kept here of fc-1" in str(refusal(await client.answer(m.EraseCalls(("fc-1",)))))

    play(scene)
