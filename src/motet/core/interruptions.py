"""Inputs that nobody waits for any more: they end for their callers at once, and are interrupted where they run."""

from __future__ import annotations

from dataclasses import dataclass

from motet.core import containers as states
from motet.core.attempts import Attempts
from motet.core.commands import CancelAttempts
from motet.core.containers import Container
from motet.core.endings import Endings
from motet.core.fleet import Fleet
from motet.core.inputs import RUNNING, Call, Input
from motet.core.isolation import Isolation
from motet.core.losses import Losses
from motet.core.slots import Slots
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.errors import RemoteError
from motet.model.current_attempt import NEIGHBOUR
from motet.model.outcome import CallKind, OutcomeKind


@dataclass(frozen=True, slots=True, eq=False)
class Interruptions:
    """Those of one pool: cancelled, or out of time."""

    fleet: Fleet
    slots: Slots
    attempts: Attempts
    queue: WaitingQueue
    isolation: Isolation
    endings: Endings
    losses: Losses

    def cancel(self, call: Call, reason: str, error: type[RemoteError], *, terminate: bool = False) -> None:
        """From now on nothing of this call is delivered: `end_some` ends it, with this error. `terminate` kills the containers
        that run any."""
        if call.cancelled is None:
            self.queue.withdraw(call)
            self.isolation.withdraw(call)
        if call.cancelled is None or terminate:
            failure = self.endings.failure(error(f"Input was cancelled: {reason}"))
            call.cancel(reason, failure, terminate=terminate)

    def leave(self, calls: list[Call], reason: str, error: type[RemoteError], turn: Turn) -> None:
        """What runs of these calls ends; the rest is let go without an outcome, at no price for each input."""
        failure = self.endings.failure(error(f"Input was cancelled: {reason}"))
        running = [
            item
            for container in self.fleet.containers.values()
            for item in self.slots.inputs_of(container)
            if item.call.kind is CallKind.SPAWNED and item.call.cancelled is None
        ]
        for call in calls:
            self.queue.withdraw(call)
            self.isolation.withdraw(call)
            call.cancel(reason, failure, terminate=False)
        self._give_up(running, OutcomeKind.CANCELLED, reason, turn)
        for item in running:
            self.endings.end(item, "cancelled", OutcomeKind.CANCELLED, failure, turn)
        for call in calls:
            for share in call.shares:
                share.add_inputs(-len(call.inputs))

    def end_some(self, call: Call, turn: Turn) -> None:
        """End as many inputs of a cancelled call as the turn has room for, wherever they are."""
        assert call.cancelled is not None
        reason, failure, terminate = call.cancelled
        items = call.some(max(turn.room, 1))
        turn.spend(len(items))
        self._give_up([it for it in items if it.state is RUNNING], OutcomeKind.CANCELLED, reason, turn, terminate)
        for item in items:
            self.endings.end(item, "cancelled", OutcomeKind.CANCELLED, failure, turn)

    def time_out(self, item: Input, turn: Turn) -> None:
        """A running input is out of time: it is tried again, or ends."""
        text = self.endings.overrun(item, self.slots.known_as(item))
        self.attempts.failed(item, turn)
        self._give_up([item], OutcomeKind.TIMED_OUT, text, turn)
        if not self.endings.retry(item, OutcomeKind.TIMED_OUT, turn):
            self.endings.time_out(item, text, turn)

    def _give_up(self, items: list[Input], kind: OutcomeKind, reason: str, turn: Turn, terminate: bool = False) -> None:
        """Nobody waits for these running inputs any more: have their code interrupted, or, to `terminate`, their containers
        killed. Where that is how sync inputs are cancelled, their container is stopped. Neighbours run elsewhere then."""
        attempts: dict[str, list[int]] = {}
        doomed: dict[Container, None] = {}
        for item in items:
            assert item.container_id is not None
            container = self.fleet.containers[item.container_id]
            if numbers := self._abandon(item, container, kind, reason, turn):
                if terminate or self._is_uninterruptible(item):
                    doomed[container] = None
                else:
                    attempts.setdefault(container.container_id, []).extend(numbers)
        for container in doomed:
            self.losses.evict(container, NEIGHBOUR, f"it ran a cancelled input ({reason})", turn, kill=terminate)
        # Those that are on their way out end all that they run.
        spared = [it for it in attempts.items() if self.fleet.containers[it[0]].state is not states.STOPPING]
        turn.commands.extend(CancelAttempts(container_id, numbers) for container_id, numbers in spared)

    def _is_uninterruptible(self, item: Input) -> bool:
        """Its attempt can be ended only together with its container, since others run beside it."""
        return self.fleet.max_inputs > 1 and item.call.method in self.fleet.spec.uninterruptible

    def _abandon(self, item: Input, container: Container, kind: OutcomeKind, reason: str, turn: Turn) -> list[int]:
        numbers = self.slots.abandon(item, container, reason, turn)
        item.cleared()  # if it is tried again, it has not killed the container that it ran in now
        self.attempts.over(item, kind, turn)
        return numbers
