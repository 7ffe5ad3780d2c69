"""One table says what each message needs a right for, and sessions keep to it."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from motet.errors import ConnectionError, PermissionDeniedError
from motet.model.outcome import CallKind, NewInput, OutcomeKind
from motet.server.access.deeds import DEEDS
from motet.server.access.door import Principal
from motet.server.access.rights import (
    CALL,
    DEPLOY,
    EVERYTHING,
    HOST,
    INSIDE,
    LOOK,
    NEEDED,
    NOTHING,
    OPERATE,
    SERVE,
    Right,
    named_rights,
    refused_to,
)
from motet.wire import client_messages as m
from motet.wire import failure
from motet.wire.access_messages import ListTokens, NewToken
from motet.wire.client_messages import RequestBody
from motet.wire.codec import ToServer
from motet.wire.container_messages import FromContainer, Ready
from motet.wire.conversation_messages import Goodbye, Taken
from motet.wire.hello import Hello
from motet.wire.host_messages import FromHost
from motet.wire.operator_messages import EndCall, OpenDashboard, ViewEnvironment, ViewServer
from motet.wire.queue_messages import AnswerNow, Confirm, GetItems, ItemsPut, PutItems, QueueViewed, ViewQueue
from motet.wire.sandbox_messages import FromSandbox
from tests.server.stage import Client, Stage, play, refusal


def test_every_message_that_a_server_takes_has_its_right_and_no_other_is_in_the_table() -> None:
    assert set(typing.get_args(ToServer)) | set(typing.get_args(RequestBody)) == set(NEEDED)


def test_containers_alone_may_say_what_containers_say_and_nobody_says_hello_twice() -> None:
    for kind, needed in NEEDED.items():
        assert bool(needed & SERVE) == (kind in (*typing.get_args(FromContainer), *typing.get_args(FromSandbox)))
        assert (needed == HOST) == (kind in typing.get_args(FromHost))
        assert needed or kind is Hello
    assert Hello in refused_to(EVERYTHING | SERVE)


def test_code_in_containers_makes_calls_and_looks() -> None:
    outside = {m.CreateApp, m.StopApp, m.UpdateAutoscaler, ViewEnvironment, EndCall, OpenDashboard, NewToken}
    assert outside <= refused_to(INSIDE)
    assert not {m.SubmitInputs, m.BindFunction, m.AwaitOutcomes, m.Request, ViewServer} & refused_to(INSIDE)


def test_rights_include_what_they_cannot_do_without() -> None:
    assert named_rights(["call"]) == CALL
    assert named_rights(["operate", "deploy"]) == OPERATE | LOOK | DEPLOY
    assert named_rights(["administer"]) == EVERYTHING
    assert str(EVERYTHING) == "administer, call, deploy, host, look, operate"
    assert str(NOTHING) == "none"


def with_rights(on: Stage, rights: Right, name: str = "ci") -> Client:
    return on.principal(Principal(name, rights))


@pytest.mark.parametrize(
    ("body", "rights", "needed"),
    [
        (
            m.StopApp("ap-1"),
            CALL | LOOK,
            "stopping an app needs a right that this token does not give: deploy or operate; it gives: call, look",
        ),
        (ViewServer(), CALL | DEPLOY, "looking at what runs needs .*: look; it gives: call, deploy"),
        (EndCall("fc-1"), CALL | DEPLOY | LOOK, "ending a call of others needs .*: operate"),
        (ViewEnvironment("ta-1"), OPERATE | LOOK, "reading a container's environment needs .*: administer"),
        (ListTokens(), OPERATE | LOOK | CALL | DEPLOY, "listing tokens needs .*: administer"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_request_without_its_right_is_refused_and_says_which_it_needs(body: Any, rights: Right, needed: str) -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create()
        problem = refusal(await with_rights(on, rights).answer(body))
        assert isinstance(problem, PermissionDeniedError)
        with pytest.raises(PermissionDeniedError, match=needed):
            raise problem

    play(scene)


def test_calls_without_the_right_end_refused_and_what_has_no_answer_ends_the_connection() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        looks = with_rights(on, LOOK)
        looks.call(function_id)
        (end,) = (await looks.wait(m.Outcomes)).ended
        assert end.kind is OutcomeKind.REFUSED
        assert isinstance(failure.rebuild(end.payload), PermissionDeniedError)
        spawned = m.SubmitInputs("fc-2", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert isinstance(refusal(await looks.answer(spawned)), PermissionDeniedError)
        for message in (m.CancelCall("fc-1"), m.FeedCall("fc-1", 0, []), Ready(), Hello("client", "")):
            with pytest.raises(ConnectionError):
                looks.say(message)

    play(scene)


def test_a_principals_apps_and_calls_are_its_own_over_any_of_its_connections() -> None:
    async def scene(on: Stage, client: Client) -> None:
        first, again, other = (with_rights(on, CALL | DEPLOY, name) for name in ("ci", "ci", "bob"))
        (function_id,) = await first.create()
        spawned = m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert await first.answer(spawned) == m.Done()
        assert await again.answer(m.ViewCall("fc-1")) == m.CallViewed(1, function_id)
        assert "no spawned call fc-1 is kept" in str(refusal(await other.answer(m.ViewCall("fc-1"))))
        assert "belongs to another client" in str(refusal(await other.answer(m.StopApp("ap-1"))))
        assert await again.answer(m.StopApp("ap-1")) == m.Done()

    play(scene)


def test_code_in_a_container_sees_no_more_than_the_principal_whose_app_it_is() -> None:
    async def scene(on: Stage, client: Client) -> None:
        deploys = with_rights(on, CALL | DEPLOY)
        (function_id,) = await deploys.create()
        deploys.call(function_id)
        container = await on.container()
        inside = on.client_inside(container.container_id)
        assert isinstance(refusal(await inside.answer(ViewServer())), PermissionDeniedError)
        assert isinstance(await inside.answer(m.ViewFunction(function_id)), m.FunctionViewed)

    play(scene)


def test_calls_and_apps_of_a_token_are_not_those_of_a_later_token_of_its_name() -> None:
    async def scene(on: Stage, client: Client) -> None:
        first, later = (on.principal(Principal("ci", CALL | DEPLOY, key=key)) for key in ("1", "2"))
        (function_id,) = await first.create()
        spawned = m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert await first.answer(spawned) == m.Done()
        assert "no spawned call fc-1 is kept" in str(refusal(await later.answer(m.ViewCall("fc-1"))))
        assert "belongs to another client" in str(refusal(await later.answer(m.StopApp("ap-1"))))

    play(scene)


def test_a_named_queue_is_one_principals() -> None:
    async def scene(on: Stage, client: Client) -> None:
        first, other = with_rights(on, CALL), with_rights(on, CALL, "bob")
        put = PutItems("qu-name-jobs", "", [b"x"], False)
        assert await first.answer(put) == ItemsPut(1)
        for body in (put, GetItems("qu-name-jobs", "", 1, False), ViewQueue("qu-name-jobs", None, clear=True)):
            assert isinstance(refusal(await other.answer(body)), PermissionDeniedError)
        operates = with_rights(on, CALL | OPERATE, "ops")
        assert isinstance(await operates.answer(ViewQueue("qu-name-jobs", None)), QueueViewed)

    play(scene)


def test_all_that_can_be_refused_has_words() -> None:
    of_containers = {kind for kind, needed in NEEDED.items() if needed & SERVE or needed == HOST}
    of_requests = {m.Request, m.Forget, Confirm, AnswerNow, Hello}
    of_conversations = {Taken, Goodbye}
    assert set(DEEDS) == set(NEEDED) - of_containers - of_requests - of_conversations
