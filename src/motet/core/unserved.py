"""Inputs that end without having run: they waited for too long, or nothing will serve them. A bounded number a turn."""

from __future__ import annotations

from collections.abc import Sequence

from motet.core.commands import ReportCold
from motet.core.endings import Endings
from motet.core.fleet import Fleet
from motet.core.grace import SetAlarm
from motet.core.inputs import Input
from motet.core.isolation import Isolation
from motet.core.queue_times import QueueTimes
from motet.core.size import Size
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.errors import FunctionTimeoutError, ServiceError
from motet.model.outcome import OutcomeKind


class Unserved:
    """Those of one pool. While some are left, the pool gives nothing to slots and starts nothing: they come first."""

    __slots__ = (
        "_alarm",
        "_endings",
        "_failure",
        "_fleet",
        "_isolation",
        "_queue",
        "_size",
        "_times",
        "left",
        "may_be",
        "watched",
    )

    def __init__(
        self,
        fleet: Fleet,
        size: Size,
        queue: WaitingQueue,
        isolation: Isolation,
        times: QueueTimes,
        endings: Endings,
        alarm: SetAlarm,
    ) -> None:
        self._queue = queue
        self._isolation = isolation
        self._times = times
        self._endings = endings
        self._fleet = fleet
        self._size = size
        self._alarm = alarm
        self._failure: bytes | None = None
        self.watched = False
        """It is to be reported why containers do not serve, whether inputs wait or not."""
        self.may_be = False
        """There may be some: only then `settle` has anything to do."""
        self.left = False
        """Some are still to end, in the next turn."""

    def watch(self, watched: bool) -> None:
        """Report why containers do not serve, or do so no more."""
        self.watched = watched

    def came(self, items: Sequence[Input]) -> None:
        """These wait for their first attempt from now on."""
        self._times.came(items)
        self._look()

    def tell(self, failure: bytes, turn: Turn) -> None:
        """Tell those that wait why no container serves them, unless one does or still may."""
        if self.watched:
            turn.commands.append(ReportCold(self._fleet.function_id, failure))
        if not self._fleet.live:
            self._failure = failure  # kept, because one turn may not have room for all that wait
            self._tell(turn)
            self._look()

    def refuse(self, reason: str, turn: Turn) -> None:
        """The host cannot run this function at all."""
        text = f"{self._fleet.spec.name} cannot run here: {reason}"
        self.tell(self._endings.failure(ServiceError(text)), turn)

    def settle(self, turn: Turn) -> bool:
        """End those whose time is over; whether some are left."""
        self.left = False
        if self._failure is not None:
            self._tell(turn)
        for item in self._times.late(turn.now):
            if item is None or turn.room <= 0:
                self._go_on(turn)
                break
            turn.spend(1)
            self._queue.take_out(item)
            error = FunctionTimeoutError(self._why_in_vain(item))
            self._endings.fail(item, "timed_out", OutcomeKind.TIMED_OUT, error, turn)
        self._look()
        return self.left

    def _why_in_vain(self, item: Input) -> str:
        spec, limit, waiting = self._fleet.spec, self._size.decision.limit, self._queue.count + len(self._isolation)
        return (
            f"Input {item.input_id} waited longer than queue_timeout={spec.queue_timeout:g} s for a container; "
            f"{self._fleet.live} of at most {limit} containers run, {waiting} inputs wait"
        )

    def close(self) -> None:
        """All end in another way."""
        self._failure, self.left = None, False
        self._look()

    def _look(self) -> None:
        self.may_be = self._failure is not None or bool(self._times.line)

    def _tell(self, turn: Turn) -> None:
        failure = self._failure
        assert failure is not None
        while turn.room > 0 and (item := self._isolation.pop() or self._queue.pop()):
            turn.spend(1)
            self._endings.end(item, "failed", OutcomeKind.FAILURE, failure, turn)
        if self._queue.count or len(self._isolation):
            self._go_on(turn)
        else:
            self._failure = None

    def _go_on(self, turn: Turn) -> None:
        self.left = True  # nothing starts and nothing is delivered until they have ended, or some of them would run
        self._alarm(turn.now)
