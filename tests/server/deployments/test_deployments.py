"""Versions under a name: which of them a call goes to, and what becomes of the others."""

from __future__ import annotations

from typing import Any

import pytest

from motet.model.deployment import DeploymentView
from motet.model.function import AppSpec, FunctionSpec, FunctionVariant
from motet.model.outcome import CallKind, NewInput, OutcomeKind
from motet.wire import client_messages as m
from motet.wire import deployment_messages as d
from tests.server.stage import Client, Container, Stage, app, function, play, refusal

F = "fu-@shop/f"


async def deploy(by: Client, *functions: FunctionSpec, **options: Any) -> d.AppDeployed:
    answered = await by.answer(d.DeployApp("shop", app(*functions), **options))
    assert isinstance(answered, d.AppDeployed), refusal(answered)
    return answered


async def redeploy(
    on: Stage, by: Client, number: int, *functions: FunctionSpec, **options: Any
) -> tuple[d.AppDeployed, Container]:
    """Deploy beside a version with a container: one of the new version is wanted first, which is launched as this number."""
    asked = by.ask(d.DeployApp("shop", app(*functions), **options))
    container = await on.container(number)
    reply = await by.wait(m.Reply)
    assert reply.request_id == asked
    assert isinstance(reply.body, d.AppDeployed), refusal(reply.body)
    return reply.body, container


async def history(client: Client) -> list[tuple[int, str, int]]:
    listed = await client.answer(d.ListDeployments("shop"))
    return [(it.version, it.state, it.source_version) for it in listed.found]


def test_a_call_by_name_goes_to_the_version_that_has_it_when_it_is_accepted() -> None:
    async def scene(on: Stage, client: Client) -> None:
        first = await deploy(client, tag="one", client="0.1.0", commit="abc")
        assert first.functions == [("app", "f", F)]
        view = first.deployment
        assert (view.version, view.deployed_by, view.tag, view.commit, view.client) == (
            1,
            "operator",
            "one",
            "abc",
            "0.1.0",
        )
        client.call(F, call_id="fc-1")
        old = await on.container()
        held = await old.deliveries()
        second, new = await redeploy(on, client, 1)
        assert second.functions == first.functions
        client.call(F, call_id="fc-2")
        (delivered,) = await new.deliveries()
        assert delivered.call_id == "fc-2"
        new.finish([delivered])
        assert (await client.wait(m.Outcomes)).call_id == "fc-2"
        # The first goes when it has done what it accepted.
        assert [it.version for it in on.server.operations.views()] == [1, 2]
        old.finish(held)
        assert (await client.wait(m.Outcomes)).call_id == "fc-1"
        await on.wait(lambda: on.state(old.configure.function_id, old.container_id) == "stopping")
        await on.end(old)
        await on.wait(lambda: [it.version for it in on.server.operations.views()] == [2])
        assert await history(client) == [(2, "live", 0), (1, "replaced", 0)]

    play(scene)


def test_inputs_of_a_call_that_come_later_go_where_its_first_ones_run() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        client.call(F)
        old = await on.container()
        held = await old.deliveries()
        await redeploy(on, client, 1)
        client.say(m.SubmitInputs("fc-1", F, CallKind.ATTACHED, "", [NewInput(1, b"y")]))
        old.finish(held)
        (later,) = await old.deliveries()
        assert later.index == 1
        old.finish([later])
        await client.wait(m.Outcomes)
        assert (await client.wait(m.Outcomes)).ended[0].kind is OutcomeKind.SUCCESS

    play(scene)


def test_a_version_that_was_replaced_is_called_by_its_own_containers_alone() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        client.call(F)
        old = await on.container()
        await old.deliveries()
        plain = old.configure.functions[0][2]
        await redeploy(on, client, 1)
        client.call(plain, call_id="fc-2")
        (ended,) = (await client.wait(m.Outcomes)).ended
        assert ended.kind is OutcomeKind.LOST
        inside = on.client_inside(old.container_id)
        inside.call(plain, call_id="fc-3")
        second = await on.container(2)
        assert second.configure.function_id == plain
        assert [it.call_id for it in await second.deliveries()] == ["fc-3"]

    play(scene)


def test_a_variant_by_name_is_one_of_the_version_that_has_the_name() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        bound: m.FunctionBound = await client.answer(m.BindFunction(F, FunctionVariant(timeout=7.0)))
        assert bound.function_id.startswith(f"{F}#")
        client.call(bound.function_id)
        old = await on.container()
        assert old.configure.spec.timeout == 7.0
        _, new = await redeploy(on, client, 1, function(env={"NEW": "1"}))
        client.call(bound.function_id, call_id="fc-2")
        assert (new.configure.spec.timeout, new.configure.spec.env) == (7.0, {"NEW": "1"})

    play(scene)


def test_a_rollback_is_a_new_deployment_of_an_old_version() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client, function(env={"V": "1"}), tag="one")
        await deploy(client, function(env={"V": "2"}), tag="two")
        back: d.AppDeployed = await client.answer(d.RollBackApp("shop"))
        assert (back.deployment.version, back.deployment.source_version, back.deployment.tag) == (3, 1, "one")
        again: d.AppDeployed = await client.answer(d.RollBackApp("shop", 2))
        assert again.deployment.source_version == 2
        assert await history(client) == [(4, "live", 2), (3, "replaced", 1), (2, "replaced", 0), (1, "replaced", 0)]
        client.call(F)
        assert (await on.container()).configure.spec.env == {"V": "2"}

    play(scene)


def test_a_stopped_app_is_gone_and_its_history_stays() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        client.call(F)
        container = await on.container()
        asked = client.ask(d.StopDeployed("shop"))
        assert (await client.wait(m.Outcomes)).ended[0].kind is OutcomeKind.CANCELLED
        await on.end(container)
        reply = await client.wait(m.Reply)
        assert (reply.request_id, reply.body) == (asked, m.Done())
        assert on.server.operations.views() == ()
        client.call(F, call_id="fc-2")
        (ended,) = (await client.wait(m.Outcomes)).ended
        assert ended.kind is OutcomeKind.LOST
        assert await history(client) == [(1, "stopped", 0)]
        assert (await client.answer(d.ListDeployments())).found == []
        assert (await deploy(client)).deployment.version == 2

    play(scene)


def test_what_was_spawned_on_a_version_is_there_when_that_is_gone() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        await client.answer(m.SubmitInputs("fc-1", F, CallKind.SPAWNED, "", [NewInput(0, b"x")]))
        old = await on.container()
        old.finish(await old.deliveries())
        assert (await client.answer(m.AwaitOutcomes("fc-1", 0))).ended[0].kind is OutcomeKind.SUCCESS
        await redeploy(on, client, 1)
        await on.end(old)
        await on.wait(lambda: [it.version for it in on.server.operations.views()] == [2])
        assert (await client.answer(m.AwaitOutcomes("fc-1", 0))).ended[0].kind is OutcomeKind.SUCCESS

    play(scene)


def test_a_function_is_found_by_name_without_its_secrets() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client, function(env={"KEY": "secret"}, timeout=9.0))
        found: d.FunctionFound = await client.answer(d.FindFunction("shop", "f"))
        assert (found.function_id, found.spec.timeout, found.spec.env) == (F, 9.0, {})
        pinned: d.FunctionFound = await client.answer(d.FindFunction("shop", "f", 1))
        assert pinned.function_id == "fu-@shop@1/f"
        whole: d.AppFound = await client.answer(d.FindApp("shop"))
        assert [it.name for it in whole.specs] == ["f"]

    play(scene)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (d.FindFunction("none", "f"), "App 'none' is not deployed on this server."),
        (d.FindFunction("shpo", "f"), "App 'shpo' is not deployed on this server; did you mean 'shop'"),
        (d.RollBackApp("Shop"), "App 'Shop' is not deployed on this server; did you mean 'shop'"),
        (m.ViewFunction("fu-@shops/f"), "App 'shops' is not deployed on this server; did you mean 'shop'"),
        (d.FindFunction("shop", "g"), r"App 'shop' has no function 'g' \(it has: f\)"),
        (d.FindFunction("shop", "f", 7), "App 'shop' has no version 7; it has v1"),
        (d.RollBackApp("shop"), "App 'shop' has no version before 1 to roll back to"),
        (d.RollBackApp("shop", 5), "App 'shop' has no version 5; it has v1"),
        (d.PromoteApp("shop"), "no canary"),
        (d.StopDeployed("none"), "App 'none' is not deployed on this server."),
        (d.DeployApp("a b", app()), "Invalid App name: 'a b'"),
        (m.ViewFunction("fu-@none/f"), "App 'none' is not deployed"),
        (m.BindFunction("fu-@shop@9/f", FunctionVariant()), "version 9 of 'shop' does not serve"),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_that_is_wrong(body: Any, says: str) -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        with pytest.raises(Exception, match=says):
            raise refusal(await client.answer(body))

    play(scene)


def test_a_view_shows_no_specification() -> None:
    assert not any(AppSpec.__name__ in str(kind) for kind in DeploymentView.__annotations__.values())
