"""Sandboxes on a server: whose they are, what is asked of them, and what becomes of both when either end is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from motet.model.function import Resources
from motet.model.isolation import Limits, Walls
from motet.model.sandbox import SandboxSpec
from motet.server.access.door import Principal
from motet.server.access.rights import CALL, LOOK
from motet.wire import client_messages as m
from motet.wire import codec, failure
from motet.wire import sandbox_messages as x
from motet.wire.hello import Hello
from tests.server.stage import Client, Stage, Wire, stage

ANN = Principal("ann", CALL | LOOK, "ann")
BOB = Principal("bob", CALL | LOOK, "bob")


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


class Box:
    """A sandbox, of which the test is the inside."""

    def __init__(self, wire: Wire, begun: x.BeginSandbox) -> None:
        self.wire = wire
        self.begun = begun

    async def hear(self) -> Any:
        (message,) = await self.wire.hear(codec.decode_to_sandbox)
        return message


def create(sandbox_id: str = "sb-1", **spec: Any) -> x.CreateSandbox:
    return x.CreateSandbox(sandbox_id, "", "app", SandboxSpec(command=("cat",), **spec))


async def inside(on: Stage, sandbox_id: str = "sb-1") -> Box:
    launch = on.backend.running[sandbox_id]
    wire = await Wire.open(launch.address)
    wire.say(Hello("sandbox", launch.token, sandbox_id))
    (begun,) = await wire.hear(codec.decode_to_sandbox)
    return Box(wire, begun)


@asynccontextmanager
async def one(on: Stage, client: Client, **spec: Any) -> AsyncIterator[Box]:
    client.ask(create(**spec))
    await asyncio.sleep(0)
    box = await inside(on)
    box.wire.say(x.SandboxBegan())
    reply = await client.wait(m.Reply)
    assert isinstance(reply.body, x.SandboxViewed), reply
    yield box
    await box.wire.close()


async def refusal(client: Client, body: Any) -> str:
    answer = await client.answer(body)
    assert isinstance(answer, m.RequestFailed), answer
    return repr(failure.told(answer.failure))


def test_an_ask_goes_to_the_sandbox_and_its_answer_comes_back() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client, env={"SECRET": "s"}) as box:
                assert box.begun.spec.env == {}, "the environment came with the start"
                assert on.backend.running["sb-1"].env["SECRET"] == "s"
                client.ask(x.AskSandbox("sb-1", x.ReadFile("f", 0, 10)))
                asked = await box.hear()
                assert asked.ask == x.ReadFile("f", 0, 10)
                box.wire.say(x.Answered(999, x.AskDone()), x.Answered(asked.number, x.FileRead(b"data", 4)))
                assert (await client.wait(m.Reply)).body == x.FileRead(b"data", 4)

    run(scene())


def test_what_a_sandbox_says_it_could_not_do_is_an_error_of_ours_and_nothing_else() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client) as box:
                for kind, told in (
                    ("NotFoundError", "NotFoundError('no')"),
                    ("InternalError", "ServiceError('no')"),
                    ("SystemExit", "ServiceError('no')"),
                ):
                    client.ask(x.AskSandbox("sb-1", x.EndProcess("pr-1")))
                    asked = await box.hear()
                    box.wire.say(x.Answered(asked.number, x.AskFailed(kind, "no")))
                    reply = await client.wait(m.Reply)
                    assert repr(failure.told(reply.body.failure)) == told

    run(scene())


def test_a_sandbox_is_its_principals_and_an_operators() -> None:
    async def scene() -> None:
        async with stage() as on:
            ann, bob, operator = on.principal(ANN), on.principal(BOB), on.operator()
            async with one(on, ann, name="mine"):
                for body in (
                    x.FindSandbox("sb-1"),
                    x.TagSandbox("sb-1", {}),
                    x.EndSandbox("sb-1"),
                    x.AskSandbox("sb-1", x.AwaitProcess("")),
                ):
                    assert await refusal(bob, body) == "NotFoundError('no sandbox sb-1 is known on this server')"
                assert "no sandbox named 'mine'" in await refusal(bob, x.FindSandbox("", "app", "mine"))
                assert await refusal(bob, create()) == "AlreadyExistsError('there is a sandbox sb-1 already')"
                assert (await bob.answer(x.ListSandboxes())).views == []
                assert [view.sandbox_id for view in (await operator.answer(x.ListSandboxes())).views] == ["sb-1"]
                assert (await ann.answer(x.FindSandbox("", "app", "mine"))).view.sandbox_id == "sb-1"

    run(scene())


def test_a_sandbox_that_ends_tells_whoever_waits_and_is_known_for_a_while() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client) as box:
                client.ask(x.FindSandbox("sb-1", wait=True))
                client.ask(x.AskSandbox("sb-1", x.AwaitProcess("pr-1")))
                await box.hear()
                box.wire.say(x.SandboxEnded("exited", 3, 2, b"cd", 0, b""))
                replies = [(await client.wait(m.Reply)).body for _ in range(2)]
                (viewed,) = [each for each in replies if isinstance(each, x.SandboxViewed)]
                assert (viewed.view.ended, viewed.view.returncode) == ("exited", 3)
                assert "SandboxTerminatedError" in str(
                    [repr(failure.told(each.failure)) for each in replies if isinstance(each, m.RequestFailed)]
                )
            on.backend.end("sb-1", 0)
            read = await client.answer(x.AskSandbox("sb-1", x.ReadOutput("", "stdout", 0)))
            assert read == x.OutputRead(2, b"cd", True)
            read = await client.answer(x.AskSandbox("sb-1", x.ReadOutput("", "stdout", 3)))
            assert read == x.OutputRead(3, b"d", True)
            assert (await client.answer(x.ListSandboxes())).views == []
            assert len((await client.answer(x.ListSandboxes(ended=True))).views) == 1

    run(scene())


def test_one_whose_process_is_gone_without_a_word_is_lost() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client):
                client.ask(x.FindSandbox("sb-1", wait=True))
                on.backend.end("sb-1", -9)
                view = (await client.wait(m.Reply)).body.view
                assert (view.ended, view.returncode, view.reason) == (
                    "lost",
                    137,
                    "its process was killed by signal 9 (SIGKILL)",
                )

    run(scene())


def test_a_command_that_was_killed_for_want_of_memory_is_told_with_that() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client) as box:
                client.ask(x.FindSandbox("sb-1", wait=True))
                box.wire.say(x.SandboxEnded("exited", 137, 0, b"", 0, b""))
                other = on.principal(ANN)
                while not (await other.answer(x.FindSandbox("sb-1"))).view.ended:
                    continue
                on.backend.end("sb-1", 0, "used more than its 64 MiB of memory, and was ended")
                waited = (await client.wait(m.Reply)).body.view  # the code alone did not say it
                assert (waited.ended, waited.returncode) == ("exited", 137)
                assert waited.reason == "its process used more than its 64 MiB of memory, and was ended"
            (view,) = (await client.answer(x.ListSandboxes(ended=True))).views
            assert view == waited

    run(scene())


def test_one_that_a_server_ends_when_it_stops_is_not_lost() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client) as box:
                client.ask(x.FindSandbox("sb-1", wait=True))
                on.server.launched.sandboxes.end_all_nowait("its server stopped")
                assert await box.hear() == x.FinishSandbox("terminated")
                on.backend.end("sb-1", -9)
                view = (await client.wait(m.Reply)).body.view
                assert (view.ended, view.returncode, view.reason) == ("terminated", 137, "its server stopped")

    run(scene())


def test_a_command_that_cannot_start_is_the_answer_to_create() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            client.ask(create())
            await asyncio.sleep(0)
            box = await inside(on)
            box.wire.say(x.SandboxBegan(x.AskFailed("NotFoundError", "no such command")))
            reply = await client.wait(m.Reply)
            assert repr(failure.told(reply.body.failure)) == "NotFoundError('no such command')"
            await box.wire.close()

    run(scene())


def test_one_that_cannot_be_started_at_all_is_told_of() -> None:
    async def scene() -> None:
        async with stage() as on:
            on.backend.refusal = "no memory"
            told = await refusal(on.principal(ANN), create())
            assert "SandboxTerminatedError" in told
            assert "no memory" in told

    run(scene())


def test_nobody_connects_as_a_sandbox_who_is_none() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client):
                launch = on.backend.running["sb-1"]
                for token, why in (("wrong", "not a sandbox of this server"), (launch.token, "is connected already")):
                    wire = await Wire.open(launch.address)
                    wire.say(Hello("sandbox", token, "sb-1"))
                    assert why in await wire.refusal()
                    await wire.close()

    run(scene())


def test_an_id_that_is_none_is_refused() -> None:
    async def scene() -> None:
        async with stage() as on:
            for each in ("ta-1", "sb-", "sb-../x"):
                assert "cannot be the id of a sandbox" in await refusal(on.principal(ANN), create(each))

    run(scene())


def test_walls_that_cannot_be_had_are_refused_and_not_left_out() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            ports = create(isolation="oci", unencrypted_ports=(8000,))
            assert "no tunnel leads to a port there yet" in await refusal(client, ports)
            assert "this server has no place to build one" in await refusal(client, create(isolation="oci"))
            assert "processes, which use the network of their machine; give the sandbox isolation=" in await refusal(
                client, create(block_network=True)
            )
            client.ask(create(resources=Resources(cpu=(0.5, 2.0), memory_mib=(64, 128))))
            await on.wait(lambda: on.backend.launches)
            assert on.backend.launches[0].limits == Limits(cpu=2.0, memory=128 * 2**20)
            assert on.backend.launches[0].template.walls == Walls()
            client.ask(create("sb-2", isolation="bubblewrap", block_network=True))
            await on.wait(lambda: len(on.backend.launches) > 1)
            walled = on.backend.launches[1]
            assert (walled.template.walls.isolation, walled.template.walls.network) == ("bubblewrap", False)
            assert walled.address == "unix:/run/motet/socket"

    run(scene())


def test_tags_are_told_to_the_sandbox_which_tells_the_next_server() -> None:
    async def scene() -> None:
        async with stage() as on:
            client = on.principal(ANN)
            async with one(on, client, tags={"a": "1"}) as box:
                viewed = await client.answer(x.TagSandbox("sb-1", {"b": "2"}))
                assert viewed.view.tags == {"b": "2"}
                assert await box.hear() == x.KeepTags({"b": "2"})

    run(scene())
