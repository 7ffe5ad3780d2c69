"""When the inputs of maps and spawns leave: as soon as they can be pulled, together where pulling takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest

import motet
from motet.client.connection import Connection
from motet.client.dual import run_blocking
from motet.client.outgoing import Outgoing
from motet.errors import InternalError, ResourceExhaustedError
from motet.model.outcome import CallKind, NewInput
from motet.sdk.call.many import tuples, zipped
from motet.sdk.call.mapping import CHUNK_SECONDS, Mapping
from motet.sdk.call.spawning import MAX_UNANSWERED, in_chunks, spawn_all
from motet.testing import world
from motet.wire import client_messages as m
from motet.wire import report
from motet.wire.by_value import NOTHING
from motet.wire.message import Message

app = motet.App("sending")
ran: list[int] = []


@app.function()
def stop(x: int) -> int:
    if x == 1:
        raise StopIteration
    return x


@app.function()
def note(x: int) -> int:
    ran.append(x)
    return x


class Link:
    """Keeps what is sent."""

    def __init__(self, connection: Connection) -> None:
        self.sent: list[Any] = []
        connection.attach(self)

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    def send_outgoing(self, outgoing: Outgoing) -> None:
        self.send(list(outgoing.take()))

    def close(self) -> None:
        """Nothing to close."""

    @property
    def inputs(self) -> list[list[int]]:
        """The indexes in each message with inputs."""
        bodies = [it.body if isinstance(it, m.Request) else it for it in self.sent]
        return [[new.index for new in body.inputs] for body in bodies if isinstance(body, m.SubmitInputs)]


def mapping(connection: Connection, clock: Callable[[], float] = lambda: 0.0) -> Mapping:
    return Mapping(
        connection,
        "fu-1",
        "",
        what="f",
        kwargs={},
        ordered=True,
        return_exceptions=False,
        by_value=NOTHING,
        parent=None,
        clock=clock,
    )


def spawn(index: int) -> m.SubmitInputs:
    return m.SubmitInputs("fc-1", "fu-1", CallKind.SPAWNED, "", [NewInput(index, b"")])


def test_a_map_sends_each_input_before_it_pulls_the_next() -> None:
    connection = Connection()
    link = Link(connection)
    seen: list[list[list[int]]] = []

    def slow() -> Iterator[int]:
        for index in range(3):
            seen.append(link.inputs)
            yield index

    mapping(connection).feed(zipped((slow(), range(10))))
    assert seen == [[], [[0]], [[0], [1]]]
    assert link.inputs == [[0], [1], [2]]


def test_inputs_that_are_pulled_before_the_first_has_left_go_with_it() -> None:
    class LateLink(Link):
        def send_outgoing(self, outgoing: Outgoing) -> None:
            self.sent.append(outgoing)

    connection = Connection()
    link = LateLink(connection)
    mapping(connection).feed(zipped((iter(range(3)),)))
    (waiting,) = link.sent
    assert [new.index for message in waiting.take() for new in message.inputs] == [0, 1, 2]


@pytest.mark.parametrize("iterable", [range(5), [0] * 5, (0,) * 5, {0, 1, 2, 3, 4}, dict.fromkeys(range(5)), "abcde"])
def test_a_map_over_what_is_at_hand_sends_it_together(iterable: Any) -> None:
    connection = Connection()
    link = Link(connection)
    mapping(connection).feed(zipped((iterable,)))
    assert link.inputs == [[0, 1, 2, 3, 4]]


def test_a_map_whose_arguments_take_long_to_encode_sends_what_it_has() -> None:
    connection = Connection()
    link = Link(connection)
    moments = iter(range(100))
    work = mapping(connection, lambda: next(moments) * CHUNK_SECONDS / 3)
    inputs = zipped((range(5),))
    while not work.exhausted:
        work.feed(inputs)
    assert link.inputs == [[0, 1], [2, 3], [4]]


def test_tuples_of_a_generator_are_sent_one_by_one_as_well() -> None:
    connection = Connection()
    link = Link(connection)
    mapping(connection).feed(tuples((x, x) for x in range(2)))
    mapping(connection).feed(tuples([(1, 2), (3, 4)]))
    assert link.inputs == [[0], [1], [0, 1]]


def test_spawns_leave_when_they_are_pulled_and_their_answers_are_waited_for_together() -> None:
    connection = Connection()
    link = Link(connection)
    seen: list[int] = []

    def requests() -> Iterator[list[m.SubmitInputs]]:
        for index in range(MAX_UNANSWERED + 1):
            seen.append(len(link.sent))
            yield [spawn(index)]

    def answered(requests: Sequence[m.Request]) -> None:
        connection.receive([m.Reply(request.request_id, m.Done()) for request in requests])

    steps = spawn_all(connection, requests())
    waiter = next(steps)
    assert seen == list(range(MAX_UNANSWERED))
    first = list(link.sent)
    answered(first[1 : MAX_UNANSWERED // 2])
    assert not waiter.is_set
    answered(first[:1])
    assert waiter.is_set
    waiter = steps.send(None)
    assert len(link.sent) == MAX_UNANSWERED + 1
    answered(first[MAX_UNANSWERED // 2 :])
    assert not waiter.is_set
    answered(link.sent[-1:])
    assert waiter.is_set
    with pytest.raises(StopIteration):
        steps.send(None)


def test_spawns_that_find_a_full_queue_go_again_and_others_do_not() -> None:
    connection = Connection()
    link = Link(connection)
    steps = spawn_all(connection, [[spawn(0)], [spawn(1)]])
    next(steps)
    full = m.RequestFailed(report.of(ResourceExhaustedError("full", 2.5)))
    connection.receive([m.Reply(link.sent[0].request_id, full), m.Reply(link.sent[1].request_id, m.Done())])
    pause = steps.send(None)
    assert pause.timeout == 2.5
    steps.throw(TimeoutError())
    assert link.inputs == [[0], [1], [0]]


def test_a_spawned_map_over_what_is_at_hand_sends_its_calls_together() -> None:
    class CountingLink(Link):
        def send(self, messages: Sequence[Message]) -> None:
            counts.append(len(messages))
            super().send(messages)

    counts: list[int] = []
    connection = Connection()
    link = CountingLink(connection)
    steps = spawn_all(connection, [[spawn(0), spawn(1)], [], [spawn(2)]])
    next(steps)
    assert counts == [2, 1]
    assert [request.request_id for request in link.sent] == [1, 2, 3]


def test_a_spawn_that_is_refused_otherwise_raises_and_the_answers_of_others_are_not_waited_for() -> None:
    connection = Connection()
    link = Link(connection)
    steps = spawn_all(connection, ([spawn(index)] for index in range(3)))
    next(steps)
    steps.close()
    assert link.sent[3:] == [m.Forget(request.request_id) for request in link.sent[:3]]
    steps = spawn_all(connection, [[spawn(0)]])
    next(steps)
    connection.receive([m.Reply(link.sent[-1].request_id, m.RequestFailed(report.of(InternalError("broken"))))])
    with pytest.raises(InternalError, match="broken"):
        run_blocking(steps)


def test_a_call_has_its_inputs_in_chunks_or_one_by_one_and_one_request_if_it_has_none() -> None:
    assert [[new.index for new in chunk] for chunk in in_chunks([b""] * 250, together=True)] == [
        list(range(100)),
        list(range(100, 200)),
        list(range(200, 250)),
    ]
    large = bytes(600_000)
    assert [len(chunk) for chunk in in_chunks([large] * 3, together=True)] == [2, 1]
    assert [len(chunk) for chunk in in_chunks([b""] * 2, together=False)] == [1, 1]
    assert list(in_chunks([], together=True)) == [[]]


def test_the_first_input_has_run_before_the_second_can_be_pulled() -> None:
    with world() as here, app.run():

        def slow() -> Iterator[int]:
            yield 1
            here.advance(60)
            assert ran == [1]
            yield 2

        for run in (lambda it: list(note.map(it)), note.spawn_map, note.for_each):
            ran.clear()
            run(slow())
            here.advance(60)
            assert ran == [1, 2]


def test_async_inputs_run_as_they_come() -> None:
    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)
        assert ran == [1]
        yield 2

    async def scene() -> list[int]:
        return [x async for x in note.map.aio(slow())]

    ran.clear()
    with world() as here, app.run():
        assert here.run(scene()) == [1, 2]


def test_async_inputs_are_spawned_as_they_come() -> None:
    async def slow(count: int) -> AsyncIterator[int]:
        for x in range(count):
            yield x
            await asyncio.sleep(60)
            assert ran[-1] == x

    async def scene() -> tuple[list[int], int]:
        await note.spawn_map.aio(slow(2))
        call = await note.experimental_spawn_map.aio(slow(3))
        nothing = await note.experimental_spawn_map.aio(slow(0))
        return [x async for x in call.iter.aio()], await nothing.num_inputs.aio()

    ran.clear()
    with world() as here, app.run():
        assert here.run(scene()) == ([0, 1, 2], 0)
    assert ran == [0, 1, 0, 1, 2]


def test_a_stop_iteration_of_an_input_does_not_end_an_iteration_over_results_quietly() -> None:
    with world(), app.run():
        call = stop.experimental_spawn_map(range(3))
        results = call.iter()
        assert next(results) == 0
        with pytest.raises(RuntimeError, match="StopIteration"):
            next(results)


def test_a_spawned_map_of_nothing_is_a_call_without_inputs() -> None:
    with world(), app.run():
        call = note.experimental_spawn_map([])
        assert (call.num_inputs(), list(call.iter())) == (0, [])
        call.cancel()
        with pytest.raises(motet.exception.NotFoundError, match="has no input 0: it has 0"):
            call.get()
