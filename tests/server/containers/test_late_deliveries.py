"""Deliveries whose arguments are on the disk: when they leave, and what waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from motet.core.commands import ReadArguments
from motet.core.events import ArgumentsRead, Event
from motet.errors import Error, ServiceError
from motet.model.outcome import Delivery, NewInput
from motet.server.containers.known_container import KnownContainer
from motet.server.containers.late_deliveries import AHEAD_BYTES, RETRY_INTERVAL, LateDeliveries
from motet.server.driver import Driver
from motet.store.journal import CallMade, InputsAdded, KeptCall
from motet.store.journal_memory import JournalMemory, MemoryJournal
from motet.testing.virtual_loop import VirtualLoop
from motet.wire import container_messages as m
from motet.wire.message import Message


class FakePeer:
    """Keeps what is sent."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages

    def close(self) -> None:
        """Nothing to close."""


class Stage:
    """A container, and a journal that answers when the test has it do so."""

    def __init__(self) -> None:
        self.journal = MemoryJournal(JournalMemory())
        self.events: list[Event] = []
        self.executor, self.control = FakePeer(), FakePeer()
        self.container = SimpleNamespace(executor=self.executor, control=self.control)
        self.asked: list[tuple[Callable[[Any], Any], Callable[[Any], None]]] = []
        containers = {"ta-1": cast(KnownContainer, self.container)}
        self.late = LateDeliveries(cast(Driver, SimpleNamespace(take=self.events.append)), containers)
        self.late.look = lambda question, then: self.asked.append((question, then))

    def keep(self, call_id: str, *payloads: bytes) -> None:
        inputs = [NewInput(index, payload) for index, payload in enumerate(payloads)]
        call = KeptCall(call_id, "shop", "fu-1", "", 1, 100.0)
        self.journal.keep([CallMade(call), InputsAdded(call_id, inputs, 100.0)])

    def deliver(self, attempt: int, call_id: str, index: int, payload: bytes = b"") -> Delivery:
        """As the server does it."""
        delivery = Delivery(attempt, call_id, index, "", payload)
        self.container.executor.send((m.Deliver([delivery]),))
        return delivery

    def read(self, *wanted: tuple[str, int], ahead: Sequence[tuple[str, int]] = ()) -> None:
        self.late.read(ReadArguments("ta-1", "fu-1", list(wanted), list(ahead)))

    def answer(self, error: Error | None = None) -> None:
        question, then = self.asked.pop(0)
        then(error or question(self.journal))

    @property
    def delivered(self) -> list[tuple[int, bytes]]:
        return [(it.attempt, it.payload) for each in self.executor.sent for it in cast(m.Deliver, each).attempts]


def test_a_delivery_leaves_with_the_arguments_that_were_read() -> None:
    on = Stage()
    on.keep("fc-a", b"zero", b"one")
    on.read(("fc-a", 0), ahead=[("fc-a", 1)])
    on.deliver(1, "fc-a", 0)
    assert on.executor.sent == []
    on.answer()
    assert on.delivered == [(1, b"zero")]
    assert on.events == [ArgumentsRead("fu-1", [("fc-a", 0, b"zero"), ("fc-a", 1, b"one")])]
    on.deliver(2, "fc-a", 1, b"one")
    assert on.delivered == [(1, b"zero"), (2, b"one")]
    assert on.container.executor is on.executor
    assert on.container.control is on.control


def test_what_comes_after_it_does_not_overtake_it_and_a_cancellation_does_not_either() -> None:
    on = Stage()
    on.keep("fc-a", b"zero")
    on.read(("fc-a", 0))
    on.deliver(1, "fc-a", 0)
    on.deliver(2, "fc-b", 0, b"here")
    on.container.control.send((m.Cancel([1]),))
    on.container.control.send((m.AskStandstill(),))
    assert on.control.sent == [m.AskStandstill()], "who does not answer in time is given up"
    on.answer()
    assert on.delivered == [(1, b"zero"), (2, b"here")]
    assert on.control.sent == [m.AskStandstill(), m.Cancel([1])]


def test_all_that_is_being_read_for_a_container_is_waited_for() -> None:
    on = Stage()
    on.keep("fc-a", b"zero")
    on.keep("fc-b", b"nil")
    on.read(("fc-a", 0))
    on.deliver(1, "fc-a", 0)
    on.read(("fc-b", 0))
    on.deliver(2, "fc-b", 0)
    on.answer()
    assert on.delivered == []
    on.answer()
    assert on.delivered == [(1, b"zero"), (2, b"nil")]


def test_a_container_that_has_gone_meanwhile_gets_nothing_and_the_engine_hears_of_what_was_read() -> None:
    on = Stage()
    on.keep("fc-a", b"zero")
    on.read(("fc-a", 0))
    on.deliver(1, "fc-a", 0)
    on.container.executor = None
    on.answer()
    assert on.container.executor is None
    assert len(on.events) == 1


def test_the_engine_is_told_where_nothing_is_read_because_the_container_has_gone() -> None:
    on = Stage()
    on.container.executor = None
    on.read(("fc-a", 0))
    assert on.asked == []
    assert on.events == [ArgumentsRead("fu-1", [])]


def test_what_cannot_be_read_is_asked_for_again_as_long_as_its_container_is_there() -> None:
    on = Stage()

    async def scene() -> None:
        on.keep("fc-a", b"zero")
        on.read(("fc-a", 0))
        on.deliver(1, "fc-a", 0)
        on.answer(ServiceError("the disk is gone"))
        assert on.asked == []
        await asyncio.sleep(RETRY_INTERVAL)
        await asyncio.sleep(0)
        on.answer()
        assert on.delivered == [(1, b"zero")]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene())


def test_no_more_is_read_ahead_than_memory_is_to_have() -> None:
    on = Stage()
    large = bytes(AHEAD_BYTES // 10)
    on.keep("fc-a", *[large] * 200)
    on.read(("fc-a", 0), ahead=[("fc-a", index) for index in range(1, 200)])
    on.answer()
    (event,) = on.events
    assert isinstance(event, ArgumentsRead)
    assert len(event.inputs) == 51
