"""What a principal may use over time and at once, over all of its connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from motet.errors import InvalidError, ResourceExhaustedError
from motet.model.outcome import CallKind, NewInput, OutcomeKind
from motet.model.quota import NO_QUOTA, Quota
from motet.server import server
from motet.server.access.allowance import Allowance, Bucket
from motet.server.access.door import HomeDoor, Principal
from motet.server.access.rights import CALL, DEPLOY, EVERYTHING
from motet.server.access.tokens import Tokens
from motet.server.containers.come_back import Inherited
from motet.server.http.crowd import Crowd
from motet.wire import client_messages as m
from motet.wire import failure
from motet.wire.again import FIRST_NUMBER
from motet.wire.queue_messages import GetItems, ItemsPut, PutItems, ViewQueue
from tests.server.access.test_tokens import Kept
from tests.server.stage import Client, Stage, app, refusal, stage


def test_a_second_of_it_may_come_at_once_and_then_as_much_each_second() -> None:
    bucket = Bucket(2.0, 10.0)
    assert [bucket.take(1, 10.0) for _ in range(2)] == [0.0, 0.0]
    assert bucket.take(1, 10.0) == pytest.approx(0.0, abs=1e-6)
    assert bucket.take(1, 10.0) > 0
    assert bucket.take(1, 10.5) == 0.0


def test_what_comes_in_one_piece_is_waited_for_afterwards() -> None:
    bucket = Bucket(10.0, 0.0)
    assert bucket.take(110, 0.0) == 0.0
    assert bucket.take(1, 5.0) == pytest.approx(5.0)
    assert bucket.take(1, 10.1) == 0.0


@pytest.mark.parametrize("dice", range(20))
def test_over_time_no_more_is_taken_than_the_rate_and_who_comes_again_as_told_is_let_in(dice: int) -> None:
    roll = random.Random(dice)
    rate, now, taken = roll.choice([0.5, 3.0, 100.0]), 0.0, 0.0
    bucket, most = Bucket(rate, 0.0), 0
    for _ in range(300):
        now += roll.choice([0.0, 0.01, 0.3])
        amount = roll.randint(1, 5)
        wait = bucket.take(amount, now)
        if wait:
            now += wait * (1 + 1e-9)
            assert bucket.take(amount, now) == 0.0
        taken += amount
        most = max(most, amount)
        assert taken <= max(rate, 1.0) + now * rate + most + 1e-6


def clock() -> float:
    return 0.0


def test_a_refusal_names_the_limit_its_value_and_when_to_come_again() -> None:
    allowance = Allowance(
        "the principal 'ci'", Quota(requests_per_second=1, inputs_per_second=5, stored_bytes=10), clock
    )
    allowance.request()
    with pytest.raises(ResourceExhaustedError, match=r"may make 1 requests a second .*`requests_per_second`") as caught:
        allowance.request()
    assert (caught.value.limit, caught.value.retry_after > 0) == ("requests_per_second", True)
    allowance.inputs(100)
    with pytest.raises(ResourceExhaustedError, match=r"5 inputs a second .* Try again in 19 s"):
        allowance.inputs(1)
    allowance.store(8)
    allowance.check_stored(2)
    with pytest.raises(ResourceExhaustedError, match=r"8 bytes are stored .* 3 more are too many, and it may have 10"):
        allowance.check_stored(3)


def test_limits_are_read_and_said_wrong_ones_are_named() -> None:
    assert Quota.parse(("containers=3", "inputs_per_second=0.5"), "x") == Quota(containers=3, inputs_per_second=0.5)
    assert Quota.parse(("containers=3",), "x").texts() == ("containers=3",)
    assert Quota(containers=3).over(Quota(containers=9, inputs=1)) == Quota(containers=3, inputs=1)
    for text, message in (
        ("cores=3", "token ci: there is no limit 'cores'; limits are containers, inputs"),
        ("containers=x", "containers must be a number; it is 'x'"),
        ("containers=0", "containers must be more than 0"),
        ("containers", "containers must be a number; it is ''"),
        ("inputs_per_second=nan", "must be more than 0"),
    ):
        with pytest.raises(InvalidError, match=message):
            Quota.parse((text,), "token ci")


def test_a_token_says_what_its_principal_may_have_beside_what_all_may() -> None:
    tokens = Tokens(Kept(), clock)
    home = HomeDoor(tokens, Quota(containers=9, inputs=5))
    token = tokens.new("ci", ("call",), None, ("containers=3",))
    assert home.admit(token, None).quota == Quota(containers=3, inputs=5)
    assert [each.limits for each in tokens.all()] == [("containers=3",)]
    with pytest.raises(InvalidError, match="token bob: there is no limit 'x'"):
        tokens.new("bob", ("call",), None, ("x=1",))


def play(scene: Callable[[Stage], Any]) -> None:
    async def main() -> None:
        async with stage() as on:
            await scene(on)

    asyncio.run(main())


def limited(on: Stage, name: str = "ci", **quota: float) -> Client:
    return on.principal(Principal(name, CALL | DEPLOY, quota=Quota(**quota)))  # type: ignore[arg-type]


def test_requests_are_counted_over_all_connections_of_a_principal() -> None:
    async def scene(on: Stage) -> None:
        first, second = limited(on, requests_per_second=0.001), limited(on, requests_per_second=0.001)
        await first.create()
        await second.answer(m.ViewApp("ap-1"))
        problem = refusal(await first.answer(m.ViewApp("ap-1")))
        assert isinstance(problem, ResourceExhaustedError)
        assert problem.limit == "requests_per_second"
        assert isinstance(await limited(on, "bob", requests_per_second=1).answer(m.ViewApp("ap-1")), m.AppViewed)

    play(scene)


def test_requests_that_wait_are_so_many_at_most_and_make_room_when_they_are_over() -> None:
    async def scene(on: Stage) -> None:
        ci = limited(on, requests=2)
        waiting = [ci.ask(GetItems("qu-1", "", 1, True)) for _ in range(2)]
        assert "limit `requests`" in str(refusal(await ci.answer(GetItems("qu-1", "", 1, False))))
        ci.say(m.Forget(waiting[0]))
        assert not isinstance(await ci.answer(ViewQueue("qu-1", None)), m.RequestFailed)
        other = limited(on, requests=2)
        ci.leave()
        assert not isinstance(await other.answer(ViewQueue("qu-1", None)), m.RequestFailed)
        other.ask(GetItems("qu-1", "", 1, True))
        assert not isinstance(await other.answer(ViewQueue("qu-1", None)), m.RequestFailed)

    play(scene)


def test_inputs_beyond_the_rate_end_refused_with_when_to_come_again() -> None:
    async def scene(on: Stage) -> None:
        ci = limited(on, inputs_per_second=0.001)
        (function_id,) = await ci.create()
        ci.call(function_id, 3)
        ci.call(function_id, 1, "fc-2")
        (end,) = (await ci.wait(m.Outcomes)).ended
        assert end.kind is OutcomeKind.REFUSED
        problem = failure.rebuild(end.payload)
        assert isinstance(problem, ResourceExhaustedError)
        assert problem.limit == "inputs_per_second"
        spawned = m.SubmitInputs("fc-3", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert isinstance(refusal(await ci.answer(spawned)), ResourceExhaustedError)

    play(scene)


def test_inputs_and_containers_are_bounded_also_of_what_runs_inside() -> None:
    async def scene(on: Stage) -> None:
        ci = limited(on, inputs=1, containers=1)
        (function_id,) = await ci.create()
        ci.call(function_id)
        container = await on.container()
        inside = on.client_inside(container.container_id)
        inside.call(function_id, 1, "fc-2")
        (end,) = (await inside.wait(m.Outcomes)).ended
        assert end.kind is OutcomeKind.REFUSED
        assert "1 inputs that wait or run, and may have 1" in str(failure.rebuild(end.payload))
        spawned = m.SubmitInputs("fc-3", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert isinstance(refusal(await ci.answer(spawned)), ResourceExhaustedError)
        assert len(on.backend.launches) == 1

    play(scene)


def test_what_is_stored_is_bounded_and_there_is_room_again_when_it_was_taken() -> None:
    async def scene(on: Stage) -> None:
        ci = limited(on, stored_bytes=200)
        put = PutItems("qu-1", "", [b"x" * 100], False)
        number = ci.ask(put)
        assert (await ci.wait(m.Reply)).body == ItemsPut(1)
        problem = refusal(await ci.answer(put))
        assert isinstance(problem, ResourceExhaustedError)
        assert problem.limit == "stored_bytes"
        ci.say(m.Forget(number))
        assert await ci.answer(put) == ItemsPut(1)

    play(scene)


def test_results_that_are_kept_count_until_their_app_ends() -> None:
    async def scene(on: Stage) -> None:
        ci = limited(on, stored_bytes=50)
        (function_id,) = await ci.create()
        spawned = m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])
        assert await ci.answer(spawned) == m.Done()
        container = await on.container()
        container.finish(await container.deliveries(), b"y" * 100)
        await ci.answer(m.AwaitOutcomes("fc-1", 0))
        assert "100 bytes are stored" in str(
            refusal(await ci.answer(m.SubmitInputs("fc-2", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")])))
        )
        assert await ci.answer(m.ViewCall("fc-1")) == m.CallViewed(1, function_id)
        stopped = ci.ask(m.StopApp("ap-1"))
        await on.end(container)
        assert (await ci.wait(m.Reply)).request_id == stopped

    play(scene)


def test_who_is_not_limited_is_not_counted() -> None:
    async def scene(on: Stage) -> None:
        ops = on.principal(Principal("ops", EVERYTHING, quota=NO_QUOTA))
        for _ in range(50):
            await ops.answer(ViewQueue("qu-1", None))

    play(scene)


def test_requests_to_one_app_are_so_many_at_once() -> None:
    crowd = Crowd(1)
    with crowd.one_more("ap-1"):
        full = crowd.refusal("ap-1", "shop")
        assert full is not None
        assert str(full).startswith("1 requests to the app 'shop' are being answered, and 1 may be at once")
        assert full.limit == "requests"
        assert crowd.refusal("ap-2", "other") is None
    assert crowd.refusal("ap-1", "shop") is None
    with Crowd(None).one_more("ap-1"):
        assert Crowd(None).refusal("ap-1", "shop") is None


@pytest.mark.parametrize("is_late", [False, True])
def test_what_a_server_before_this_one_had_accepted_is_free_of_the_rates_while_clients_come_back(
    is_late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_late:
        monkeypatch.setattr(server, "AGAIN_WINDOW", 0.0)

    async def main() -> None:
        async with stage(inherited=Inherited((), 1, nothing_left)) as on:
            ci = limited(on, inputs_per_second=0.001, requests_per_second=0.001)
            for number in range(3):
                functions = (("app", "f", f"fu-{number}"),)
                ci.say(m.Request(FIRST_NUMBER + number, m.CreateApp(f"ap-{number}", app(), functions=functions)))
            answers = [(await ci.wait(m.Reply)).body for _ in range(3)]
            for index in range(5):
                inputs = [NewInput(index, b"x")]
                ci.say(m.SubmitInputs("fc-1", "fu-0", CallKind.ATTACHED, "", inputs, again=True))
            are_refused = isinstance(answers[2], m.RequestFailed), any(isinstance(it, m.Outcomes) for it in ci.sent)
            assert are_refused == (is_late, is_late)

    asyncio.run(main())


async def nothing_left() -> None:
    """There is no next server."""
