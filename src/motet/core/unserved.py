"""Inputs that end without having run: they waited for too long, or nothing will serve them. A bounded number a turn."""

from __future__ import annotations

from collections.abc import Callable

from motet.core.deadlines import Deadlines
from motet.core.endings import Endings
from motet.core.fleet import Fleet
from motet.core.inputs import Input
from motet.core.isolation import Isolation
from motet.core.size import Size
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.errors import FunctionTimeoutError, ServiceError
from motet.model.outcome import OutcomeKind


class Unserved:
    """Those of one pool. While some are left, the pool gives nothing to slots and starts nothing: they come first."""

    __slots__ = ("_alarm", "_deadlines", "_endings", "_failure", "_fleet", "_isolation", "_queue", "_size", "left")

    def __init__(
        self,
        fleet: Fleet,
        size: Size,
        queue: WaitingQueue,
        isolation: Isolation,
        deadlines: Deadlines,
        endings: Endings,
        alarm: Callable[[float], None],
    ) -> None:
        self._queue = queue
        self._isolation = isolation
        self._deadlines = deadlines
        self._endings = endings
        self._fleet = fleet
        self._size = size
        self._alarm = alarm
        self._failure: bytes | None = None
        self.left = False
        """Some are still to end, in the next turn."""

    def __bool__(self) -> bool:
        """There may be some."""
        return self._failure is not None or self._deadlines.any_wait

    def tell(self, failure: bytes, turn: Turn) -> None:
        """Tell those that wait why no container serves them, unless one does or still may."""
        if not self._fleet.live:
            self._failure = failure
            self._tell(turn)

    def refuse(self, reason: str, turn: Turn) -> None:
        """The host cannot run this function at all."""
        text = f"{self._fleet.spec.name} cannot run here: {reason}"
        self.tell(self._endings.failure(ServiceError(text)), turn)

    def settle(self, turn: Turn) -> bool:
        """End those whose time is over; whether some are left."""
        self.left = False
        if self._failure is not None:
            self._tell(turn)
        for item in self._deadlines.waited_long(turn.now):
            if item is None or turn.room <= 0:
                self._go_on(turn)
                break
            turn.room -= 1
            self._queue.take_out(item)
            error = FunctionTimeoutError(self._why_in_vain(item))
            self._endings.fail(item, "timed_out", OutcomeKind.TIMED_OUT, error, turn)
        return self.left

    def _why_in_vain(self, item: Input) -> str:
        spec, limit, waiting = self._fleet.spec, self._size.decision.limit, len(self._queue) + len(self._isolation)
        return (
            f"Input {item.input_id} waited longer than queue_timeout={spec.queue_timeout:g} s for a container; "
            f"{self._fleet.live} of at most {limit} containers run, {waiting} inputs wait"
        )

    def close(self) -> None:
        """All end in another way."""
        self._failure, self.left = None, False

    def _tell(self, turn: Turn) -> None:
        failure = self._failure
        assert failure is not None
        while turn.room > 0 and (item := self._isolation.pop() or self._queue.pop()):
            turn.room -= 1
            self._endings.end(item, "failed", OutcomeKind.FAILURE, failure, turn)
        if len(self._queue) or len(self._isolation):
            self._go_on(turn)
        else:
            self._failure = None

    def _go_on(self, turn: Turn) -> None:
        self.left = True
        self._alarm(turn.now)
