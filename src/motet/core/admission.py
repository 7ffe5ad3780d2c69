"""Whether a pool takes one more input: its queue is bounded, and who finds it full is told when to come again."""

from __future__ import annotations

from motet.core.fleet import Fleet
from motet.core.pace import Pace
from motet.core.shares import Share
from motet.core.waiting import WaitingQueue
from motet.errors import ResourceExhaustedError
from motet.model.outcome import CallKind


class Admission:
    """Full is a queue that holds as many inputs as it may, beyond those that fit into slots now.

    Spawned calls, whose callers do not wait, have a bound of their own.
    """

    __slots__ = ("_fleet", "_most", "_most_spawned", "_queue", "pace")

    def __init__(self, queue: WaitingQueue, fleet: Fleet) -> None:
        self._queue = queue
        self._fleet = fleet
        self._most = fleet.spec.max_waiting_inputs or fleet.host.limits.waiting
        self._most_spawned = fleet.spec.max_waiting_inputs or fleet.host.limits.waiting_spawned
        self.pace = Pace()

    def room(self, kind: CallKind, *, accepted: bool = False) -> int:
        """How many more inputs are taken now; `accepted`: of those that a server before this one had taken."""
        if kind is CallKind.SPAWNED:
            most, waiting = self._most_spawned, self._queue.spawned
        else:
            most, waiting = self._most, self._queue.count - self._queue.spawned
        if accepted:
            most *= 2
        return most - waiting + self._fleet.index.room

    def refusal(self, kind: CallKind, shares: tuple[Share, ...] = ()) -> ResourceExhaustedError | None:
        """Why no more input is taken now; None if one is. `shares`: what bounds the inputs of its call, beside the queue."""
        if self.room(kind) > 0 and all(share.room() > 0 for share in shares):
            return None
        return self.why_full(kind, shares)

    def why_full(self, kind: CallKind, shares: tuple[Share, ...] = ()) -> ResourceExhaustedError:
        """Why an input is refused for which there was no room: each that is refused is told, so this is never None."""
        for share in shares:
            if refusal := share.refusal(self.pace):
                return refusal
        room = self.room(kind)
        most = self._most_spawned if kind is CallKind.SPAWNED else self._most
        beyond = most - room
        retry_after = self.pace.retry_after(beyond + self._fleet.index.room)
        text = (
            f"the queue of {self._fleet.spec.name} is full: {beyond} inputs wait, and {most} may. "
            f"Try again in {retry_after:.2g} s, or raise `max_waiting_inputs` or `max_containers`."
        )
        return ResourceExhaustedError(text, retry_after)
