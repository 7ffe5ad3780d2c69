"""Attempts whose arguments are read first: what their container gets, and what the engine is told meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from motet.core.commands import CancelAttempts, Command, DeliverAttempts, DeliverBatch
from motet.core.events import AttemptsFinished, Event
from motet.errors import Error, NotFoundError
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.server.containers.late_deliveries import LateDeliveries
from motet.server.driver import Driver
from motet.store.blob_reference import BlobName, StoredPayload
from motet.wire import report


def stored(index: int) -> StoredPayload:
    return StoredPayload.of(BlobName("home", "fc-a", 1, index, "a", index, "0" * 64), 5)


def delivery(attempt: int, payload: bytes | None = None) -> Delivery:
    return Delivery(attempt, "fc-a", attempt, "", stored(attempt) if payload is None else payload)


class Stage:
    """Between an engine and containers: what is read, sent and told."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.told: list[Event] = []
        self.reading: dict[StoredPayload, Callable[[bytes | Error], None]] = {}
        self.unwanted: set[int] = set()
        self.here: dict[StoredPayload, bytes] = {}
        self.noted: dict[int, Callable[[bytes | Error], None]] = {}
        """Attempts that are to be kept first."""
        self.late = LateDeliveries(self, cast(Driver, self), self.find, lambda delivery: delivery.attempt in self.noted)

    # What it stands before.
    def deliver(self, command: DeliverAttempts) -> None:
        self.sent.append(command)

    def deliver_batch(self, command: DeliverBatch) -> None:
        self.sent.append(command)

    def cancel(self, command: CancelAttempts) -> None:
        self.sent.append(command)

    # A driver, its engine, and what can be seen of that.
    @property
    def engine(self) -> Stage:
        return self

    @property
    def inspection(self) -> Stage:
        return self

    def holds(self, container_id: str, slot: int) -> bool:
        return slot not in self.unwanted

    def take(self, *events: Event) -> None:
        self.told += events

    def perform(self, performers: dict[type[Command], Any]) -> None:
        self.performers = performers

    # Where arguments are.
    def find(self, delivery: Delivery, then: Callable[[bytes | Error], None]) -> None:
        if delivery.attempt in self.noted:
            self.noted[delivery.attempt] = then
            return
        payload = cast(StoredPayload, delivery.payload)
        if payload in self.here:
            then(self.here[payload])
        else:
            self.reading[payload] = then

    def came(self, attempt: int, found: bytes | Error = b"there") -> None:
        self.reading.pop(stored(attempt))(found)


def nobody(found: bytes | Error) -> None:
    raise AssertionError("nobody waits for this")


def finished(*ends: AttemptEnd) -> AttemptsFinished:
    return AttemptsFinished("ta-1", list(ends))


def let_go(*attempts: int) -> AttemptsFinished:
    return finished(*(AttemptEnd(each, OutcomeKind.CANCELLED, b"") for each in attempts))


def test_each_is_sent_when_its_arguments_have_come_and_the_others_at_once() -> None:
    on = Stage()
    on.late.deliver(DeliverAttempts("ta-1", [delivery(1), delivery(2, b"small"), delivery(3)]))
    assert on.sent == [DeliverAttempts("ta-1", [delivery(2, b"small")])]
    on.came(3)
    on.came(1)
    assert on.sent[1:] == [
        DeliverAttempts("ta-1", [delivery(3, b"there")]),
        DeliverAttempts("ta-1", [delivery(1, b"there")]),
    ]
    assert not on.told


def test_what_is_in_memory_is_sent_at_once() -> None:
    on = Stage()
    on.here[stored(1)] = b"here"
    on.late.deliver(DeliverAttempts("ta-1", [delivery(1)]))
    assert on.sent == [DeliverAttempts("ta-1", [delivery(1, b"here")])]


def test_arguments_that_are_gone_are_a_failure_of_their_attempt_alone() -> None:
    on = Stage()
    on.late.deliver(DeliverAttempts("ta-1", [delivery(1), delivery(2)]))
    gone = NotFoundError("it is gone")
    on.came(1, gone)
    on.came(2)
    assert on.told == [finished(AttemptEnd(1, OutcomeKind.FAILURE, report.of(gone)))]
    assert on.sent == [DeliverAttempts("ta-1", [delivery(2, b"there")])]


def test_a_cancelled_one_is_let_go_of_and_never_sent() -> None:
    on = Stage()
    on.late.deliver(DeliverAttempts("ta-1", [delivery(1), delivery(2)]))
    on.late.cancel(CancelAttempts("ta-1", [7, 1]))
    assert on.sent == [CancelAttempts("ta-1", [7])]
    assert on.told == [let_go(1)]
    on.came(1)
    on.came(2)
    assert on.sent[1:] == [DeliverAttempts("ta-1", [delivery(2, b"there")])]
    assert on.told == [let_go(1)]


def test_what_was_taken_back_or_whose_container_is_gone_is_let_go_of() -> None:
    on = Stage()
    on.late.deliver(DeliverAttempts("ta-1", [delivery(1)]))
    on.unwanted.add(1)
    on.came(1)
    assert on.sent == []
    assert on.told == [let_go(1)]


def test_a_batch_is_sent_when_all_of_it_is_there() -> None:
    on = Stage()
    batch = [delivery(1), delivery(2, b"small"), delivery(3)]
    on.late.deliver_batch(DeliverBatch("ta-1", batch))
    on.came(3)
    assert on.sent == []
    on.came(1)
    assert on.sent == [DeliverBatch("ta-1", [delivery(1, b"there"), delivery(2, b"small"), delivery(3, b"there")])]
    on.late.deliver_batch(DeliverBatch("ta-1", [delivery(4, b"small")]))
    assert on.sent[1:] == [DeliverBatch("ta-1", [delivery(4, b"small")])]


def test_a_batch_goes_without_those_whose_arguments_are_gone_and_can_be_cancelled_as_a_whole() -> None:
    on = Stage()
    on.late.deliver_batch(DeliverBatch("ta-1", [delivery(1), delivery(2), delivery(3)]))
    gone = NotFoundError("it is gone")
    on.came(1, gone)
    on.came(2)
    on.came(3)
    assert on.sent == [DeliverBatch("ta-1", [delivery(2, b"there"), delivery(3, b"there")])]
    assert on.told == [finished(AttemptEnd(1, OutcomeKind.FAILURE, report.of(gone)))]
    on.late.cancel(CancelAttempts("ta-1", [1]))  # the engine's number of the batch
    assert on.sent[1:] == [CancelAttempts("ta-1", [2])]  # its container's


def test_a_batch_of_which_nothing_is_left_is_not_sent() -> None:
    on = Stage()
    on.late.deliver_batch(DeliverBatch("ta-1", [delivery(1), delivery(2)]))
    gone = NotFoundError("it is gone")
    on.came(2, gone)
    on.came(1, gone)
    assert on.sent == []
    assert on.told == [finished(*(AttemptEnd(each, OutcomeKind.FAILURE, report.of(gone)) for each in (2, 1)))]


def test_a_cancelled_batch_is_let_go_of_as_a_whole() -> None:
    on = Stage()
    on.late.deliver_batch(DeliverBatch("ta-1", [delivery(1), delivery(2, b"small")]))
    on.late.cancel(CancelAttempts("ta-1", [1]))
    assert on.told == [let_go(1, 2)]
    on.came(1)
    assert on.sent == []


def test_it_takes_its_place_when_it_is_first_needed() -> None:
    on = Stage()
    on.late.begin()
    assert set(on.performers) == {DeliverAttempts, DeliverBatch, CancelAttempts}


def test_one_that_is_to_be_kept_first_is_sent_when_it_is() -> None:
    on = Stage()
    on.noted[1] = nobody
    on.late.deliver(DeliverAttempts("ta-1", [delivery(1, b"small"), delivery(2, b"small")]))
    assert on.sent == [DeliverAttempts("ta-1", [delivery(2, b"small")])]
    on.noted[1](b"small")
    assert on.sent[1:] == [DeliverAttempts("ta-1", [delivery(1, b"small")])]


def test_a_batch_is_sent_when_each_of_it_is_kept() -> None:
    on = Stage()
    on.noted[2] = nobody
    on.late.deliver_batch(DeliverBatch("ta-1", [delivery(1, b"small"), delivery(2, b"small")]))
    assert on.sent == []
    on.noted[2](b"small")
    assert on.sent == [DeliverBatch("ta-1", [delivery(1, b"small"), delivery(2, b"small")])]
