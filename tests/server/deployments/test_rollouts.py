"""One version takes the place of another: when, and what becomes of the one before if it cannot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from motet.errors import ServiceError
from motet.model.deployment import DeploymentView
from motet.model.function import FunctionVariant
from motet.model.scaling import AutoscalerSettings
from motet.server.config import ServerConfig
from motet.server.deployments.unkept import MemoryDeployments
from motet.server.server import Server
from motet.store.base import KeptDeployment
from motet.store.memory import MemoryCallStore
from motet.testing.backends import FakeBackend
from motet.wire import client_messages as m
from motet.wire import deployment_messages as d
from motet.wire import report
from motet.wire.container_messages import Ready, StartFailed
from tests.server.deployments.test_deployments import F, deploy, history, redeploy
from tests.server.stage import PATIENCE, Client, Stage, app, function, play, refusal

KEPT = AutoscalerSettings(min_containers=1)


def versions(on: Stage) -> list[int]:
    return [view.version for view in on.server.operations.views()]


async def first(on: Stage, client: Client) -> Any:
    """Version 1, with a container that is ready."""
    asked = client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT))))
    container = await on.container()
    reply = await client.wait(m.Reply)
    assert (reply.request_id, reply.body.deployment.state) == (asked, "live")
    return container


def test_the_name_moves_when_a_container_of_the_new_version_is_ready_and_not_before() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old = await first(on, client)
        client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT))))
        new = await on.container(1, ready=False)
        client.call(F, call_id="fc-1")
        assert [it.call_id for it in await old.deliveries()] == ["fc-1"]
        assert (await client.answer(d.FindFunction("shop", "f"))).deployment.version == 1
        new.executor.say(Ready())
        assert (await client.wait(m.Reply)).body.deployment.version == 2
        client.call(F, call_id="fc-2")
        assert [it.call_id for it in await new.deliveries()] == ["fc-2"]

    play(scene)


def test_a_version_whose_containers_do_not_start_never_serves_and_the_error_has_the_traceback() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old = await first(on, client)
        asked = client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT)), tag="bad"))
        new = await on.container(1, ready=False)
        told = report.Failure(
            "ModuleNotFoundError", "No module named 'pandas'", "  File shop.py, line 3\n    import pandas"
        )
        new.executor.say(StartFailed("loading", told.encoded()))
        reply = await client.wait(m.Reply)
        assert reply.request_id == asked
        text = str(refusal(reply.body))
        assert text.startswith(
            "shop v2 was not deployed, and v1 serves on: a container of f failed to start: ModuleNotFound"
        )
        assert "No module named 'pandas'" in text
        assert "shop.py, line 3" in text
        await on.wait(lambda: versions(on) == [1])
        client.call(F, call_id="fc-1")
        assert [it.call_id for it in await old.deliveries()] == ["fc-1"]
        listed = await client.answer(d.ListDeployments("shop"))
        assert [(it.version, it.state) for it in listed.found] == [(2, "failed"), (1, "live")]
        assert "pandas" in listed.found[0].why
        # What failed is not what a rollback goes to, and its number is not given again.
        number = len(on.backend.launches)
        assert (await redeploy(on, client, number, function(autoscaler=KEPT)))[0].deployment.version == 3

    play(scene)


def test_a_version_that_is_not_ready_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.server.deployments.wanted.START_MARGIN", 0.0)

    async def scene(on: Stage, client: Client) -> None:
        await first(on, client)
        slow = function(autoscaler=KEPT, startup_timeout=0.2)
        answered = await client.answer(d.DeployApp("shop", app(slow)))
        assert "v1 serves on: " in str(refusal(answered))
        assert "0.2 s" in str(refusal(answered))

    play(scene)


def test_a_deployer_that_leaves_takes_a_version_with_it_that_does_not_serve_yet() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await first(on, client)
        other = on.operator()
        other.ask(d.DeployApp("shop", app(function(autoscaler=KEPT))))
        new = await on.container(1, ready=False)
        other.leave()
        await on.end(new)
        await on.wait(lambda: versions(on) == [1])
        await client.answer(d.ListDeployments("shop"))  # the history is written by then
        assert await history(client) == [(2, "failed", 0), (1, "live", 0)]

    play(scene)


def test_a_second_deployment_of_a_name_waits_for_the_first_and_another_name_does_not() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await first(on, client)
        client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT)), tag="a"))
        a = await on.container(1, ready=False)
        second = client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT)), tag="b"))
        assert (await on.client().answer(d.DeployApp("other", app()))).deployment.version == 1
        assert len(on.backend.launches) == 2
        a.executor.say(Ready())
        assert (await client.wait(m.Reply)).body.deployment.tag == "a"
        await on.container(2)
        reply = await client.wait(m.Reply)
        assert (reply.request_id, reply.body.deployment.tag, reply.body.deployment.version) == (second, "b", 3)

    play(scene)


def test_as_many_containers_are_ready_as_the_version_before_had() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        client.call(F, 2)
        await on.container()
        await on.container(1)
        client.ask(d.DeployApp("shop", app()))
        await on.container(2)
        await on.container(3)
        assert (await client.wait(m.Reply)).body.deployment.version == 2
        assert len(on.backend.launches) == 4

    play(scene)


def test_recreate_lets_the_version_before_end_first_and_calls_wait_for_the_new_one() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old = await first(on, client)
        client.call(F, call_id="fc-1")
        held = await old.deliveries()
        asked = client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT)), strategy="recreate"))
        while (await client.answer(d.FindFunction("shop", "f"))).deployment.version != 2:  # it has the name then
            pass
        client.call(F, call_id="fc-2")
        assert len(on.backend.launches) == 1
        old.finish(held)
        assert (await client.wait(m.Outcomes)).call_id == "fc-1"
        await on.end(old)
        new = await on.container(1)
        assert [it.call_id for it in await new.deliveries()] == ["fc-2"]
        assert (await client.wait(m.Reply)).request_id == asked

    play(scene)


def test_recreate_brings_the_version_before_back_if_the_new_one_does_not_start() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old = await first(on, client)
        client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT)), strategy="recreate"))
        await on.wait(lambda: on.state(old.configure.function_id, old.container_id) == "stopping")
        await on.end(old)
        new = await on.container(1, ready=False)
        new.executor.say(StartFailed("loading", report.Failure("ImportError", "no").encoded()))
        assert "v1 serves on" in str(refusal((await client.wait(m.Reply)).body))
        client.call(F, call_id="fc-1")
        again = await on.container(2)
        assert [it.call_id for it in await again.deliveries()] == ["fc-1"]
        assert await history(client) == [(2, "failed", 0), (1, "live", 0)]

    play(scene)


class FullDisk(MemoryDeployments):
    """One that keeps nothing any more when it is full."""

    full = False

    def add(self, kept: Any) -> None:
        self._check()
        super().add(kept)

    def change(self, views: Any) -> None:
        self._check()
        super().change(views)

    def _check(self) -> None:
        if self.full:
            raise ServiceError("cannot keep deployments in deployments.db: database or disk is full")


@pytest.mark.parametrize("full_when", ["it is added", "it is to serve"])
def test_what_cannot_be_kept_does_not_serve_and_the_version_before_is_unharmed(
    full_when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores: list[FullDisk] = []
    monkeypatch.setattr(
        "motet.server.deployments.room.MemoryDeployments", lambda: stores.append(FullDisk()) or stores[-1]
    )

    async def scene(on: Stage, client: Client) -> None:
        old = await first(on, client)
        (store,) = stores
        store.full = full_when == "it is added"
        client.ask(d.DeployApp("shop", app(function(autoscaler=KEPT))))
        if not store.full:
            new = await on.container(1, ready=False)
            store.full = True
            new.executor.say(Ready())
        assert "disk is full" in str(refusal((await client.wait(m.Reply)).body))
        client.call(F, call_id="fc-1")
        assert [it.call_id for it in await old.deliveries()] == ["fc-1"]
        store.full = False
        assert (await client.answer(d.FindApp("shop"))).deployment.version == 1

    play(scene)


def test_an_old_version_is_called_by_its_number_and_goes_when_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.server.deployments.deployments.IDLE_AFTER", 0.05)

    async def scene(on: Stage, client: Client) -> None:
        await deploy(client, function(env={"V": "1"}))
        await deploy(client, function(env={"V": "2"}))
        await on.wait(lambda: versions(on) == [2])
        pinned = (await client.answer(d.FindFunction("shop", "f", 1))).function_id
        client.call(pinned)
        container = await on.container()
        assert container.configure.spec.env == {"V": "1"}
        assert versions(on) == [2, 1]
        container.finish(await container.deliveries())
        await client.wait(m.Outcomes)
        await on.end(container)
        await on.wait(lambda: versions(on) == [2])

    play(scene)


# --- canaries ---------------------------------------------------------------------------------------------------------


async def canary(on: Stage, client: Client, **options: Any) -> tuple[Any, Any]:
    """Version 1, and version 2 beside it, each with a container that takes many."""
    wide = function(autoscaler=KEPT)
    old = await first(on, client)
    client.ask(d.DeployApp("shop", app(wide), strategy="canary", **options))
    new = await on.container(1)
    reply = await client.wait(m.Reply)
    assert (reply.body.deployment.state, reply.body.deployment.share) == ("canary", options.get("percent", 10.0))
    return old, new


async def served_by(client: Client, containers: dict[str, Any], count: int, kinds: Callable[[int], bytes]) -> list[str]:
    """Make calls one after the other; which of the containers had each."""
    found = []
    for number in range(count):
        client.call(F, call_id=f"fc-{number}")
        waiting = {name: asyncio.ensure_future(it.deliveries()) for name, it in containers.items()}
        await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
        for name, task in waiting.items():
            if task.done():
                found.append(name)
                containers[name].finish(task.result(), kinds(number))
            else:
                task.cancel()
        await asyncio.gather(*waiting.values(), return_exceptions=True)
        await client.wait(m.Outcomes)
    return found


def test_a_canary_has_its_share_of_the_calls_until_it_is_promoted() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old, new = await canary(on, client, percent=25.0)
        served = await served_by(client, {"old": old, "new": new}, 8, lambda number: b"x")
        assert (served.count("old"), served.count("new")) == (6, 2)
        viewed = await client.answer(d.ViewVersions("shop"))
        assert [(it.version, it.share, it.inputs, it.failed) for it in viewed.found] == [
            (2, 25.0, 2, 0),
            (1, 75.0, 6, 0),
        ]
        promoted = await client.answer(d.PromoteApp("shop"))
        assert (promoted.deployment.version, promoted.deployment.state) == (2, "live")
        assert await history(client) == [(2, "live", 0), (1, "replaced", 0)]
        await on.end(old)
        await on.wait(lambda: versions(on) == [2])
        client.call(F, call_id="fc-x")
        assert len(await new.deliveries()) == 1

    play(scene)


def test_a_canary_is_rolled_back_by_hand_and_the_version_beside_it_has_all_calls_again() -> None:
    async def scene(on: Stage, client: Client) -> None:
        old, _ = await canary(on, client, percent=99.0)
        back = await client.answer(d.RollBackApp("shop"))
        assert (back.deployment.version, back.deployment.share) == (1, 100.0)
        client.call(F, call_id="fc-1")
        assert len(await old.deliveries()) == 1
        assert await history(client) == [(2, "replaced", 0), (1, "live", 0)]

    play(scene)


def test_a_canary_that_breaks_a_rule_is_rolled_back_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.server.deployments.rules.ENOUGH", 2)
    monkeypatch.setattr("motet.server.deployments.canaries.JUDGE_EVERY", 0.01)

    async def scene(on: Stage, client: Client) -> None:
        _, new = await canary(on, client, percent=99.0, rules="error-rate=40%")
        for number in range(2):
            client.call(F, call_id=f"fc-{number}")
            (attempt,) = await new.deliveries()
            new.fail([attempt])
            await client.wait(m.Outcomes)
        await on.end(new)
        await on.wait(lambda: versions(on) == [1])
        listed = await client.answer(d.ListDeployments("shop"))
        assert [(it.version, it.state) for it in listed.found] == [(2, "replaced"), (1, "live")]
        assert listed.found[0].why == "error-rate=0.4 was agreed, and 2 of its last 2 inputs failed (100.0%)"

    play(scene)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (d.DeployApp("shop", app(), strategy="canary", percent=100.0), "more than 0 and less than 100 percent"),
        (d.DeployApp("other", app(), strategy="canary"), "no version beside which a canary could serve"),
        (d.DeployApp("shop", app(), strategy="canary", rules="p99=2x"), "'p99=2x' is no rule for a rollback"),
    ],
)
def test_a_canary_that_cannot_be_is_refused(body: Any, says: str) -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        assert says in str(refusal(await client.answer(body)))

    play(scene)


def test_there_is_one_canary_at_a_time() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await canary(on, client)
        says = str(refusal(await client.answer(d.DeployApp("shop", app(), strategy="canary"))))
        assert says.startswith("v2 is a canary already")

    play(scene)


def test_a_version_that_was_about_to_serve_when_the_server_ended_has_failed_for_the_next_one() -> None:
    store = MemoryDeployments()
    view = DeploymentView(name="shop", version=1, app_id="ap-1", state="starting", deployed_at=1.0, deployed_by="ci")
    store.add(KeptDeployment(view=view, spec=app(), function_ids={}))
    live = replace(view, version=2, app_id="ap-2", state="live", share=100.0)
    store.add(KeptDeployment(view=live, spec=app(), function_ids={"f": "fu-07"}, rights=("call",)))

    async def main() -> None:
        backend = FakeBackend()
        server = Server(ServerConfig(stop_grace=0.2), backend, MemoryCallStore(), deployed=store)
        await server.start()
        client = Client(server)
        assert await history(client) == [(2, "live", 0), (1, "failed", 0)]
        client.call(F)
        on = Stage(server, backend)
        container = await on.container()
        assert (container.configure.function_id, container.configure.app_id) == ("fu-07", "ap-2")
        await on.close()
        await server.stop()

    asyncio.run(main())
    assert [(it.version, it.state) for it in store.history("shop")] == [(2, "live"), (1, "failed")]


class SlowDisk(MemoryDeployments):
    """It takes until `goes_on` to keep that a version is gone. `story`: what it did, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []
        self.goes_on = threading.Event()

    def change(self, views: Any) -> None:
        if any(view.ended_at is not None for view in views):
            self.goes_on.wait(PATIENCE)
            self.story.append("kept")
        super().change(views)

    def close(self) -> None:
        self.story.append("closed")


def test_that_a_replaced_version_ended_with_the_server_is_kept_before_the_store_is_closed() -> None:
    store = SlowDisk()

    async def main() -> None:
        backend = FakeBackend()
        server = Server(ServerConfig(stop_grace=0.2), backend, MemoryCallStore(), deployed=store)
        await server.start()
        on, client = Stage(server, backend), Client(server)
        await first(on, client)
        client.call(F)
        await redeploy(on, client, 1)
        stopping = asyncio.create_task(server.stop())
        await on.wait(lambda: not on.server.operations.views())
        for _ in range(100):
            await asyncio.sleep(0)
        store.goes_on.set()
        await on.close()
        await stopping

    asyncio.run(main())
    assert store.story == ["kept", "closed"]
    assert [(it.state, it.ended_at is None) for it in store.history("shop")] == [("live", True), ("replaced", False)]


def test_a_variant_has_the_same_id_on_the_server_after_this_one() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await deploy(client)
        bound = (await client.answer(m.BindFunction(F, FunctionVariant(timeout=7.0)))).function_id
        client.call(bound)
        container = await on.container()
        function_id, _, digest = bound.partition("#")
        assert function_id == F
        declared = container.configure.functions[0][2]
        assert container.configure.function_id == f"{declared}v{digest}"

    play(scene)
