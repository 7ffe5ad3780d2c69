"""The attempts of one pool that run: how they begin, and how they are over."""

from __future__ import annotations

from collections.abc import Iterator

from motet.core.containers import Container
from motet.core.deadlines import Deadlines
from motet.core.earlier_attempts import EarlierAttempt
from motet.core.endings import Endings
from motet.core.grace import Grace, SetAlarm
from motet.core.inputs import Input
from motet.core.learned_target import LearnedTarget
from motet.core.queue_times import QueueTimes
from motet.core.scaler import Scaler
from motet.core.turn import Turn
from motet.model.function import FunctionSpec
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind


class Attempts:
    """Counts and times them, and has whoever learns from them learn. Where they run is known to the slots."""

    __slots__ = ("_abandoned", "_deadlines", "_endings", "_learned", "_numbers", "_scaler", "_times", "running")

    def __init__(
        self,
        spec: FunctionSpec,
        numbers: Iterator[int],
        deadlines: Deadlines,
        times: QueueTimes,
        endings: Endings,
        scaler: Scaler,
        learned: LearnedTarget | None,
        alarm: SetAlarm,
    ) -> None:
        self.running = 0
        """How many inputs run."""
        self._numbers = numbers
        self._deadlines = deadlines
        self._times = times
        self._endings = endings
        self._scaler = scaler
        self._learned = learned
        self._abandoned: Grace[tuple[int, Container]] = Grace(spec.cancellation_grace, alarm)
        """Slots whose attempt nobody waits for any more, until their container lets go of it."""

    def begin(self, items: list[Input], container: Container, now: float) -> list[Delivery]:
        """An attempt at each of these is on its way to a container."""
        container_id, deadline, numbers = container.container_id, now + self._deadlines.timeout, self._numbers
        deliveries = []
        for item in items:
            attempt = next(numbers)
            item.delivered(attempt, container_id, now, deadline)
            call = item.call
            deliveries.append(
                Delivery(
                    attempt, call.call_id, item.index, call.method, item.payload, call.trace, item.again, call.principal
                )
            )
        if self._times.line:  # or each attempt would stand there until its time is over
            self._times.began(items)
        self._deadlines.began(items, deadline)
        self.running += len(items)
        return deliveries

    def rejoin(self, item: Input, earlier: EarlierAttempt, now: float) -> None:
        """An attempt at this began before the server did: its number and its time go on."""
        began_at, deadline = earlier.began_at, now + self._deadlines.timeout
        item.began_before(earlier.held.again, began_at)
        item.delivered(earlier.held.attempt, earlier.container.container_id, began_at, deadline)
        self._deadlines.began([item], deadline)
        if began_at < now:
            self._deadlines.postpone([item], began_at - now)
        self.running += 1

    def finished(self, item: Input, end: AttemptEnd, turn: Turn) -> None:
        """Its container says how it ended: the input has its outcome, or is tried again."""
        kind = end.kind
        if kind is not OutcomeKind.SUCCESS:
            self.failed(item, turn)
        now, over = turn.now, None
        if turn.records is not None:
            over = (item.container_id or "", now, kind, end.began, end.finished)
        item.released(over)
        self._deadlines.over(item.attempt)
        self.running -= 1
        self._scaler.served(now - item.delivered_at)
        if item.suspect:
            item.cleared()
        if kind is OutcomeKind.SUCCESS or not self._endings.retry(item, kind, turn):
            self._endings.end(item, "finished", kind, end.payload, turn)

    def failed(self, item: Input, turn: Turn) -> None:
        """It was for nothing."""
        if self._learned is not None and item.container_id is not None:
            self._learned.failed(item.container_id, item.attempt, turn.now)

    def over(self, item: Input, kind: OutcomeKind, turn: Turn) -> None:
        """It does not run any more, or nobody waits for it; its container has not said how it ended."""
        over = None if turn.records is None else (item.container_id or "", turn.now, kind, 0.0, 0.0)
        item.released(over)
        self._deadlines.over(item.attempt)
        self.running -= 1

    def abandon(self, number: int, container: Container, input_id: str, reason: str, turn: Turn) -> None:
        """Nobody waits any more for what runs in this slot, known to its code as `input_id`: the container has a grace to let
        go of it. What the input called and waits for is cancelled, later."""
        container.fill(number, None)
        self.forget(number, container)
        self._abandoned.begin((number, container), turn.now)
        turn.orphaned.append((input_id, reason))

    def forget(self, number: int, container: Container) -> None:
        """How long this one takes says nothing: it was cancelled, or has not begun."""
        if self._learned is not None:
            self._learned.forget(container.container_id, number)

    def not_let_go(self, now: float) -> Iterator[tuple[int, Container]]:
        """Slots that should be free by now, and are not."""
        return (each for each in self._abandoned.overdue(now) if each[0] in each[1].running)
