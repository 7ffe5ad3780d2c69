"""A whole server: calls go to containers and outcomes come back; containers, clients and apps end."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from motet.core.commands import SaveOutcomes
from motet.errors import InvalidError
from motet.model.function import FunctionVariant
from motet.model.outcome import AttemptEnd, CallKind, InputEnd, NewInput, OutcomeKind
from motet.model.parameters import ParameterSpec
from motet.model.scaling import AutoscalerSettings, AutoscalerUpdate, Concurrency
from motet.wire import client_messages as m
from motet.wire import codec, failure, report
from motet.wire.container_messages import AckAttemptItems, Cancel, Finished, Items, Ready, StartFailed, Stop
from motet.wire.parameters import encoded_parameters
from tests.server.stage import Client, Stage, app, function, play, refusal

# --- calls ------------------------------------------------------------------------------------------------------------


def test_a_container_is_told_what_it_serves_and_gets_inputs_when_it_is_ready() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function(env={"A": "1"}))
        client.call(function_id)
        container = await on.container()
        configure = container.configure
        assert (configure.app_id, configure.function_id, configure.spec.name) == ("ap-1", function_id, "f")
        assert configure.functions == [("app", "f", function_id)]
        env = on.backend.launches[0].env
        assert (env["A"], env["MOTET_APP_ID"]) == ("1", "ap-1")
        assert env["MOTET_CONTAINER_ID"] == env["MODAL_TASK_ID"] == on.backend.launches[0].container_id
        container.finish(await container.deliveries())
        outcomes = await client.wait(m.Outcomes)
        assert (outcomes.call_id, outcomes.ended[0].payload) == ("fc-1", b"done")

    play(scene)


@pytest.mark.parametrize("is_ready_first", [True, False])
def test_a_frozen_container_gets_nothing_until_it_thaws_also_if_its_readiness_is_heard_late(
    is_ready_first: bool,
) -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(
            function(autoscaler=AutoscalerSettings(max_containers=1, min_containers=1))
        )
        container = await on.container(ready=is_ready_first)
        on.backend.freeze(container.container_id)
        if not is_ready_first:
            container.executor.say(Ready())
        await on.wait(lambda: on.state(function_id, container.container_id) == "frozen")
        client.call(function_id)
        await on.wait(lambda: on.server._driver.engine.inspection.waiting(function_id) == 1)
        on.backend.thaw(container.container_id)
        await on.wait(lambda: on.state(function_id, container.container_id) == "ready")
        container.finish(await container.deliveries())
        assert len((await client.wait(m.Outcomes)).ended) == 1

    play(scene)


def test_items_of_a_stream_go_to_its_caller_and_what_it_takes_to_the_container() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id, kind=CallKind.STREAM)
        container = await on.container()
        (delivery,) = await container.deliveries()
        container.executor.say(Items(delivery.attempt, [b"1", b"2"]))
        assert (await client.wait(m.CallItems)).items == [b"1", b"2"]
        client.say(m.AckCallItems("fc-1", 0, 2))
        assert await container.control.hear(codec.decode_to_control) == [AckAttemptItems(delivery.attempt, 2)]
        client.say(m.CancelCall("fc-1"))
        assert await container.control.hear(codec.decode_to_control) == [Cancel([delivery.attempt])]

    play(scene)


def test_items_that_come_together_go_on_together_before_the_end_of_their_stream() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id, kind=CallKind.STREAM)
        container = await on.container()
        (delivery,) = await container.deliveries()
        items = [Items(delivery.attempt, [str(number).encode()]) for number in range(5)]
        end = AttemptEnd(delivery.attempt, OutcomeKind.SUCCESS, b"")
        container.executor.say(*items[:3], Items(10**9, [b"forged"]), *items[3:], Finished([end]))
        await client.wait(m.Outcomes)
        (told,) = [message for message in client.sent if isinstance(message, m.CallItems)]
        assert told.items == [b"0", b"1", b"2", b"3", b"4"]

    play(scene)


def test_spawned_outcomes_are_kept_for_all_of_the_app_until_it_stops() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        inputs = [NewInput(0, b"x")]
        assert await client.answer(m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", inputs)) == m.Done()
        assert (await client.answer(m.AwaitOutcomes("fc-1", 0, wait=False))).ended == []
        assert await client.answer(m.ViewCall("fc-1")) == m.CallViewed(1, function_id)
        waiting = client.ask(m.AwaitOutcomes("fc-1", 0))
        forgotten = client.ask(m.AwaitOutcomes("fc-1", 0))
        client.say(m.Forget(forgotten))
        container = await on.container()
        container.finish(await container.deliveries())
        reply = await client.wait(m.Reply)
        assert (reply.request_id, reply.body.ended[0].payload) == (waiting, b"done")
        other = on.client_inside(container.container_id)
        assert (await other.answer(m.AwaitOutcomes("fc-1", 0))).ended[0].payload == b"done"
        assert not client.sent

    play(scene)


def test_stopping_an_app_tells_those_who_wait_for_its_calls() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        await client.answer(m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(0, b"x")]))
        container = await on.container()
        other = on.client_inside(container.container_id)
        asked = other.ask(m.AwaitOutcomes("fc-1", 0))
        stopping = client.ask(m.StopApp("ap-1"))
        reply = await other.wait(m.Reply)
        assert reply.request_id == asked
        assert (await client.wait(m.Reply)) == m.Reply(stopping, m.Done())
        assert "fc-1" in str(refusal(await other.answer(m.AwaitOutcomes("fc-1", 0))))

    play(scene)


def test_a_call_to_a_function_that_is_not_there_ends_at_once() -> None:
    async def scene(on: Stage, client: Client) -> None:
        client.call("fu-unknown")
        (ended,) = (await client.wait(m.Outcomes)).ended
        assert (ended.kind, "fu-unknown" in str(failure.rebuild(ended.payload))) == (OutcomeKind.LOST, True)

    play(scene)


@pytest.mark.parametrize(
    "body",
    [
        m.StopApp("ap-unknown"),
        m.BindFunction("fu-unknown", FunctionVariant()),
        m.UpdateAutoscaler("fu-unknown", AutoscalerUpdate()),
        m.ViewFunction("fu-unknown"),
        m.ViewApp("ap-unknown"),
        m.ViewCall("fc-unknown"),
        m.AwaitOutcomes("fc-unknown", 0),
        m.SubmitInputs("fc-1", "fu-unknown", CallKind.SPAWNED, "", []),
    ],
    ids=lambda body: type(body).__name__,
)
def test_requests_about_what_is_not_there_are_refused_by_its_name(body: Any) -> None:
    async def scene(on: Stage, client: Client) -> None:
        error = refusal(await client.answer(body))
        assert type(error).__name__ == "NotFoundError"
        assert "unknown" in str(error)
        assert await client.create()

    play(scene)


# --- apps -------------------------------------------------------------------------------------------------------------


def test_two_apps_cannot_have_one_id() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create()
        assert "ap-1" in str(refusal(await client.answer(m.CreateApp("ap-1", app()))))

    play(scene)


def test_a_variant_is_one_function_however_often_it_is_asked_for() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        three = FunctionVariant(concurrency=Concurrency(max_inputs=3, target_inputs=3))
        bound = await client.answer(m.BindFunction(function_id, three))
        assert bound == await client.answer(m.BindFunction(function_id, three))
        assert bound != await client.answer(m.BindFunction(function_id, FunctionVariant(timeout=3)))
        view = (await client.answer(m.ViewFunction(bound.function_id))).view
        assert (view.max_inputs, view.name) == (3, "f")

    play(scene)


def test_spawned_inputs_come_by_request_alone_and_not_too_many_at_once() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function(max_waiting_inputs=10))
        client.call(function_id, 3, kind=CallKind.SPAWNED)
        outcomes = await client.wait(m.Outcomes)
        assert [each.kind for each in outcomes.ended] == [OutcomeKind.REFUSED] * 3
        assert "as a request" in str(failure.rebuild(outcomes.ended[0].payload))
        many = m.SubmitInputs("fc-2", function_id, CallKind.SPAWNED, "", [NewInput(n, b"") for n in range(1001)])
        assert "1000 may" in str(refusal(await client.answer(many)))
        assert isinstance(await client.answer(m.ViewCall("fc-2")), m.RequestFailed)
        assert on.server._driver.engine.inspection.waiting(function_id) == 0

    play(scene)


def test_spawned_calls_that_come_in_one_message_are_each_answered_and_in_order_with_what_comes_between() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create(function())

        def spawn(call: str, count: int = 1, function: str = function_id) -> m.SubmitInputs:
            return m.SubmitInputs(call, function, CallKind.SPAWNED, "", [NewInput(n, b"x") for n in range(count)])

        asked = [
            m.Request(101, spawn("fc-1")),
            m.Request(102, spawn("fc-2", function="fu-none")),
            m.Request(103, spawn("fc-3", 1001)),
            m.Request(104, spawn("fc-4", 2)),
            m.Request(105, m.ViewCall("fc-4")),
            m.Request(106, spawn("fc-5")),
            m.Request(107, spawn("fc-6")),
            m.CancelCall("fc-5"),
            m.Request(108, m.AwaitOutcomes("fc-5", 0)),
        ]
        client.say(*asked)
        answers = {}
        for _ in range(8):
            reply = await client.wait(m.Reply)
            answers[reply.request_id] = reply.body
        assert list(answers) == [102, 103, 101, 104, 105, 106, 107, 108]
        assert [answers[number] for number in (101, 104, 106, 107)] == [m.Done()] * 4
        assert "fu-none" in str(refusal(answers[102]))
        assert "1000 may" in str(refusal(answers[103]))
        assert answers[105] == m.CallViewed(2, function_id)
        assert [each.kind for each in answers[108].ended] == [OutcomeKind.CANCELLED]
        assert on.server._driver.engine.inspection.waiting(function_id) == 4

    play(scene)


def test_who_asks_for_outcomes_gets_as_many_as_asked_for_and_few_that_are_large() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        await client.answer(
            m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", [NewInput(n, b"") for n in range(5)])
        )
        sizes = (3_000_000, 1_000_000, 3_000_000, 9_000_000, 1)
        ended = [InputEnd(n, OutcomeKind.SUCCESS, bytes(size)) for n, size in enumerate(sizes)]
        on.server._calls.save(SaveOutcomes("fc-1", ended))

        async def got(index: int, count: int) -> list[int]:
            return [each.index for each in (await client.answer(m.AwaitOutcomes("fc-1", index, count=count))).ended]

        assert await got(0, 100) == [0, 1]
        assert await got(0, 1) == await got(0, -5) == [0]
        assert await got(2, 100) == [2]
        assert await got(3, 100) == [3], "one that is large by itself comes by itself"

    play(scene)


def test_a_declaration_that_no_container_could_be_told_is_refused() -> None:
    async def scene(on: Stage, client: Client) -> None:
        large = {"LARGE": "x" * (101 * 2**20)}
        answer = await client.answer(m.CreateApp("ap-1", app(function(env=large))))
        assert "the declaration of f is 101.0 MiB" in str(refusal(answer))
        (function_id,) = await client.create()
        answer = await client.answer(m.BindFunction(function_id, FunctionVariant(env=large)))
        assert "the declaration of f is 101.0 MiB" in str(refusal(answer))

    play(scene)


def test_a_parametrised_class_runs_only_with_its_parameters() -> None:
    async def scene(on: Stage, client: Client) -> None:
        spec = function(parameters=(ParameterSpec(name="n", type_name="int"),))
        (function_id,) = await client.create(spec)
        variant = FunctionVariant(timeout=3)
        assert "make an instance first" in str(refusal(await client.answer(m.BindFunction(function_id, variant))))
        for body in (m.ViewFunction(function_id), m.UpdateAutoscaler(function_id, AutoscalerUpdate(max_containers=1))):
            assert isinstance(await client.answer(body), m.RequestFailed)
        client.call(function_id)
        assert (await client.wait(m.Outcomes)).ended[0].kind is OutcomeKind.LOST
        for wrong in (pickle.dumps({"n": 3}), encoded_parameters({"n": "3"}, "C"), encoded_parameters({}, "C")):
            answer = await client.answer(m.BindFunction(function_id, FunctionVariant(parameters_given=wrong)))
            assert isinstance(refusal(answer), InvalidError)
        given = encoded_parameters({"n": 3}, "C")
        bound = await client.answer(m.BindFunction(function_id, FunctionVariant(parameters_given=given)))
        client.call(bound.function_id, call_id="fc-2")
        assert (await on.container()).configure.spec.parameters_given == given

    play(scene)


def test_autoscaler_updates_add_up_and_contradictions_are_refused() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        await client.answer(m.UpdateAutoscaler(function_id, AutoscalerUpdate(max_containers=2)))
        updated = await client.answer(m.UpdateAutoscaler(function_id, AutoscalerUpdate(min_containers=1)))
        assert updated.settings == AutoscalerSettings(min_containers=1, max_containers=2)
        wrong = await client.answer(m.UpdateAutoscaler(function_id, AutoscalerUpdate(min_containers=3)))
        assert "cannot be greater" in str(refusal(wrong))
        await on.wait(lambda: len(on.backend.launches) == 1)

    play(scene)


def test_an_app_ends_with_the_client_that_owns_it_and_with_it_its_containers() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create(function(autoscaler=AutoscalerSettings(min_containers=2)))
        await on.container(0)
        await on.wait(lambda: len(on.backend.launches) == 2)
        client.leave()
        await on.wait(lambda: not on.backend.running)

    play(scene)


# --- containers -------------------------------------------------------------------------------------------------------


def test_a_container_is_asked_to_stop_before_it_is_killed() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create(function(autoscaler=AutoscalerSettings(min_containers=1)))
        container = await on.container()
        stopping = client.ask(m.StopApp("ap-1"))
        assert await container.control.hear(codec.decode_to_control) == [Stop(0.2)]
        assert not on.backend.kills
        await on.end(container)
        assert (await client.wait(m.Reply)).request_id == stopping

    play(scene)


def test_a_container_that_does_not_stop_in_time_is_killed() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create(function(autoscaler=AutoscalerSettings(min_containers=1)))
        await on.container()
        assert await client.answer(m.StopApp("ap-1")) == m.Done()
        assert on.backend.kills

    play(scene)


def test_a_container_whose_connection_ends_is_killed_and_its_input_runs_elsewhere() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        first = await on.container(0)
        await first.deliveries()
        await first.executor.close()
        second = await on.container(1)
        assert on.backend.kills == [on.backend.launches[0].container_id]
        second.finish(await second.deliveries())
        assert (await client.wait(m.Outcomes)).ended[0].payload == b"done"

    play(scene)


def test_what_a_container_says_of_attempts_it_does_not_have_changes_nothing() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        container = await on.container()
        deliveries = await container.deliveries()
        bogus = [AttemptEnd(10**9, OutcomeKind.SUCCESS, b"forged")]
        container.executor.say(Finished(bogus), Items(10**9, [b"forged"]), Ready())
        container.finish(deliveries)
        container.finish(deliveries, b"twice")
        assert [it.payload for it in (await client.wait(m.Outcomes)).ended] == [b"done"]
        client.call(function_id, call_id="fc-2")
        container.finish(await container.deliveries())
        assert (await client.wait(m.Outcomes)).call_id == "fc-2"

    play(scene)


def test_a_container_that_cannot_start_gives_its_failure_to_the_callers() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        container = await on.container(ready=False)
        # Its end is reported before what it said last has been read.
        container.executor.say(StartFailed("loading", report.of(ImportError("no module named x"))))
        await on.end(container, 1)
        (ended,) = (await client.wait(m.Outcomes)).ended
        assert "no module named x" in str(failure.rebuild(ended.payload))

    play(scene)


def test_an_outcome_sent_right_before_a_container_ends_counts() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        container = await on.container()
        container.finish(await container.deliveries())
        await on.end(container)
        assert (await client.wait(m.Outcomes)).ended[0].payload == b"done"
        assert len(on.backend.launches) == 1

    play(scene)


def test_a_container_that_has_ended_is_given_up_though_its_connection_stays_open() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        first = await on.container(0)
        await first.deliveries()
        on.backend.end(first.container_id, 1)
        second = await on.container(1)
        second.finish(await second.deliveries())
        assert (await client.wait(m.Outcomes)).ended[0].payload == b"done"

    play(scene)


def test_the_last_lines_of_stderr_say_why_a_container_died() -> None:
    async def scene(on: Stage, client: Client) -> None:
        (function_id,) = await client.create()
        client.call(function_id)
        for number in range(10):
            if client.sent and any(isinstance(it, m.Outcomes) for it in client.sent):
                break
            await on.wait(lambda number=number: len(on.backend.launches) > number)  # type: ignore[misc]
            name = on.backend.launches[number].container_id
            on.backend.write(name, "stderr", b"line 1\nsegmentation ")
            on.backend.write(name, "stderr", b"fault")
            on.backend.end(name, 139)
            await asyncio.sleep(0.02)
        (ended,) = (await client.wait(m.Outcomes)).ended
        assert "line 1\nsegmentation fault" in str(failure.rebuild(ended.payload))
        lines = [it for it in client.sent if isinstance(it, m.OutputLines)]
        assert [line for it in lines[:2] for line in it.lines] == ["line 1", "segmentation fault"]
        assert {(it.function_name, it.stream) for it in lines} == {("f", "stderr")}

    play(scene)


def test_stopping_the_server_twice_does_nothing_the_second_time() -> None:
    async def scene(on: Stage, client: Client) -> None:
        await client.create(function(autoscaler=AutoscalerSettings(min_containers=1)))
        await on.server.stop()
        await on.server.stop()
        assert not on.backend.running

    play(scene)
