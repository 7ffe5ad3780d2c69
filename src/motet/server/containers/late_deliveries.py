"""Attempts whose arguments are not in memory, or that are to be kept first: they leave for their container when that is done.

For the engine they have been delivered. So what it says of them meanwhile is answered here, as their container would; and what
nobody waits for by then is let go of, and never sent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from motet.core.commands import CancelAttempts, DeliverAttempts, DeliverBatch
from motet.core.events import AttemptsFinished
from motet.errors import Error
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind
from motet.server.driver import Driver
from motet.store.blob_reference import StoredPayload
from motet.wire import report

FindArguments = Callable[[Delivery, Callable[[bytes | Error], None]], None]


class Deliveries(Protocol):
    """Who brings attempts to containers, and ends them there."""

    def deliver(self, command: DeliverAttempts) -> None: ...

    def deliver_batch(self, command: DeliverBatch) -> None: ...

    def cancel(self, command: CancelAttempts) -> None: ...


class _Slot:
    """What is to take a slot together."""

    __slots__ = ("attempts", "container_id", "is_batch", "is_over", "left", "missing")

    def __init__(self, container_id: str, attempts: list[Delivery], *, is_batch: bool) -> None:
        self.container_id = container_id
        self.attempts = attempts
        self.is_batch = is_batch
        self.left = 0
        self.missing: list[AttemptEnd] = []
        self.is_over = False

    @property
    def number(self) -> int:
        """By which the engine knows it."""
        return self.attempts[0].attempt


class LateDeliveries:
    """Stands before `deliveries`. `find` finds arguments, at once if they are in memory. `is_late`: whether an attempt is to
    wait for that, besides those whose arguments are not there."""

    def __init__(
        self,
        deliveries: Deliveries,
        driver: Driver,
        find: FindArguments,
        is_late: Callable[[Delivery], bool] = lambda delivery: False,
    ) -> None:
        self._is_late = is_late
        self._deliveries = deliveries
        self._driver = driver
        self._find = find
        self._slots: dict[int, _Slot] = {}
        """By number: those that wait for arguments."""
        self._begun_by: dict[int, int] = {}
        """Batches whose first attempt was left out, and the attempt that their container knows them by."""

    def begin(self) -> None:
        """From now on. Until there is such an attempt, no other one pays for a look."""
        self._driver.perform(
            {DeliverAttempts: self.deliver, DeliverBatch: self.deliver_batch, CancelAttempts: self.cancel}
        )

    def deliver(self, command: DeliverAttempts) -> None:
        """See `Containers`."""
        late = [each for each in command.attempts if self._waits(each)]
        if not late:
            self._deliveries.deliver(command)
            return
        here = [each for each in command.attempts if not self._waits(each)]
        if here:
            self._deliveries.deliver(DeliverAttempts(command.container_id, here))
        for each in late:
            self._fill(_Slot(command.container_id, [each], is_batch=False))

    def deliver_batch(self, command: DeliverBatch) -> None:
        """See `Containers`."""
        if any(map(self._waits, command.attempts)):
            self._fill(_Slot(command.container_id, list(command.attempts), is_batch=True))
        else:
            self._deliveries.deliver_batch(command)

    def cancel(self, command: CancelAttempts) -> None:
        """See `Containers`."""
        there: list[int] = []
        for number in command.attempts:
            if (slot := self._slots.pop(number, None)) is not None:
                self._let_go(slot)
            else:
                there.append(self._begun_by.pop(number, number))
        if there:
            self._deliveries.cancel(CancelAttempts(command.container_id, there))

    def _fill(self, slot: _Slot) -> None:
        self._slots[slot.number] = slot
        late = [each for each in slot.attempts if self._waits(each)]
        slot.left = len(late)
        for each in late:
            self._find(each, partial(self._came, slot, each))

    def _waits(self, delivery: Delivery) -> bool:
        return isinstance(delivery.payload, StoredPayload) or self._is_late(delivery)

    def _came(self, slot: _Slot, delivery: Delivery, found: bytes | Error) -> None:
        if slot.is_over:
            return
        place = next(place for place, each in enumerate(slot.attempts) if each.attempt == delivery.attempt)
        if isinstance(found, Error):
            slot.missing.append(AttemptEnd(delivery.attempt, OutcomeKind.FAILURE, report.of(found)))
        else:
            slot.attempts[place] = msgspec.structs.replace(delivery, payload=found)
        slot.left -= 1
        if not slot.left:
            self._send(slot)

    def _send(self, slot: _Slot) -> None:
        del self._slots[slot.number]
        if not self._driver.engine.inspection.holds(slot.container_id, slot.number):
            self._let_go(slot)
            return
        slot.is_over = True
        missing = {end.attempt for end in slot.missing}
        sent = [each for each in slot.attempts if each.attempt not in missing]
        if sent and slot.is_batch:
            if sent[0].attempt != slot.number:
                self._begun_by[slot.number] = sent[0].attempt
            self._deliveries.deliver_batch(DeliverBatch(slot.container_id, sent))
        elif sent:
            self._deliveries.deliver(DeliverAttempts(slot.container_id, sent))
        if slot.missing:
            self._driver.take(AttemptsFinished(slot.container_id, slot.missing))

    def _let_go(self, slot: _Slot) -> None:
        """Nobody waits for it: what the container would say."""
        slot.is_over = True
        ends = [AttemptEnd(each.attempt, OutcomeKind.CANCELLED, b"") for each in slot.attempts]
        self._driver.take(AttemptsFinished(slot.container_id, ends))
