"""Inputs whose attempts leave late: what the disk has of their arguments is read first, and if they are delivered at most once,
it is kept first that they are on their way. Arguments are also asked for ahead of that."""

from __future__ import annotations

from motet.core.commands import ReadArguments, SaveTries
from motet.core.inputs import Input
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.model.outcome import CallKind

READ_AHEAD = 500
"""Inputs that wait, and whose arguments are read with those that are needed: their attempts then wait for no disk."""


class LateArguments:
    """Those of one pool. An input without arguments has left them on the disk: no arguments have no bytes."""

    __slots__ = ("_at_most_once", "_function_id", "_is_reading_ahead", "_queue", "are_any")

    def __init__(self, function_id: str, queue: WaitingQueue, *, at_most_once: bool) -> None:
        self._at_most_once = at_most_once
        self._function_id = function_id
        self._queue = queue
        self._is_reading_ahead = False
        self.are_any = at_most_once
        """Whether there have been such inputs. An attribute: it is asked with every attempt."""

    def may_be(self) -> None:
        """Some that come now may be such inputs."""
        self.are_any = True

    def needed(self, items: list[Input], turn: Turn) -> None:
        """Attempts at these are about to be delivered."""
        if self._at_most_once:
            turn.commands.extend(_begins(item) for item in items if item.call.kind is CallKind.SPAWNED)
        wanted = [(item.call.call_id, item.index) for item in items if not item.payload]
        if not wanted:
            return
        ahead: list[tuple[str, int]] = []
        if not self._is_reading_ahead:
            ahead = [(it.call.call_id, it.index) for it in self._queue.first(READ_AHEAD) if not it.payload]
            self._is_reading_ahead = True
        turn.commands.append(ReadArguments(self._function_id, wanted, ahead))

    def were_read(self) -> None:
        """What was asked for is here: the next that is missing is asked for with those behind it."""
        self._is_reading_ahead = False


def _begins(item: Input) -> SaveTries:
    tries = item.attempts, item.retries, item.lone_losses
    return SaveTries(item.call.call_id, item.index, *tries, 0.0, item.attempt, begins=True)
