"""Slots that take a batch of inputs each: inputs wait for one another, share a slot and a call, and part again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from motet.core.attempts import Attempts
from motet.core.batch_window import window_for
from motet.core.commands import CancelAttempts, DeliverBatch
from motet.core.containers import Container
from motet.core.fleet import Fleet
from motet.core.grace import SetAlarm
from motet.core.inputs import WAITING, Input
from motet.core.late_arguments import LateArguments
from motet.core.running_batch import RunningBatch
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.model.outcome import AttemptEnd, HeldAttempt, OutcomeKind
from motet.model.scaling import Batching


def _left_the_queue(came_at: float, item: Input, attempts: int) -> bool:
    return item.state is not WAITING or item.attempts != attempts or item.call.cancelled is not None


class BatchSlots:
    """As `SingleSlots`, but a slot takes a batch of up to `max_batch_size` inputs; for the autoscaler, too, a batch is one. The
    number of a slot is that of its first attempt.

    Outcomes, retries, cancelling and deadlines remain each input's own: one that is cancelled leaves its batch-mates running.
    """

    unit = "batches"

    def __init__(
        self,
        batching: Batching,
        fleet: Fleet,
        queue: WaitingQueue,
        attempts: Attempts,
        alarm: SetAlarm,
        late: LateArguments,
    ) -> None:
        self.inputs_per_slot = batching.max_batch_size
        self._fleet = fleet
        self._queue = queue
        self._attempts = attempts
        self._alarm = alarm
        self._late = late
        self._window = window_for(batching)
        self._arrivals: deque[tuple[float, Input, int]] = deque()
        """When inputs of the queue came, in order, each with its attempts then; those that left are skipped later."""
        self._unseen: list[Input] = []
        self._filled_at = 0.0
        self._batches: dict[int, RunningBatch] = {}
        """By their numbers."""
        self._batch_of: dict[int, RunningBatch] = {}
        """By the attempts that are in them still."""

    # --- batches form -------------------------------------------------------------------------------------------------

    def queue(self, items: Sequence[Input]) -> None:
        if items:
            self._queue.add(items[0].call, items)
            self._unseen.extend(items)

    def put_back(self, item: Input) -> None:
        self._queue.put_back(item)
        self._unseen.append(item)

    def fill(self, turn: Turn) -> int:
        """A batch that is not due yet waits beside a free slot; its window has begun with its first input, and containers are
        asked for from then on."""
        now, index, target = turn.now, self._fleet.index, self._fleet.target_inputs
        self._see_arrivals(now)
        self._filled_at = now
        while self._due(now) and (container := index.fullest_below(target)):
            self._deliver(container, turn)
        return -(-self._queue.count // self.inputs_per_slot)

    def burst(self, turn: Turn) -> None:
        """What is not due then is looked at again when it is."""
        fleet = self._fleet
        while self._due(turn.now) and (container := fleet.index.emptiest_below(fleet.max_inputs)):
            self._deliver(container, turn)
        self._forget_arrivals()
        if self._queue.count and not self._due(turn.now):
            self._alarm(self._arrivals[0][0] + self._window.plan.wait)

    def _see_arrivals(self, now: float) -> None:
        for item in self._unseen:
            self._arrivals.append((now, item, item.attempts))
            self._window.arrived(now)
        self._unseen.clear()
        if not self._queue.count:
            self._arrivals.clear()

    def _due(self, now: float) -> bool:
        """The inputs that wait are to leave as soon as there is a slot."""
        waiting = self._queue.count
        if not waiting:
            return False
        plan = self._window.plan
        if waiting >= plan.enough:
            return True
        self._forget_arrivals()
        return self._arrivals[0][0] + plan.wait <= now

    def _forget_arrivals(self) -> None:
        """Those of inputs that left the queue, as far as they come first: then the oldest that waits does."""
        arrivals = self._arrivals
        while arrivals and _left_the_queue(*arrivals[0]):
            arrivals.popleft()

    def _deliver(self, container: Container, turn: Turn) -> None:
        self._begin(self._queue.take(self.inputs_per_slot), container, turn)

    def deliver_group(self, group: list[Input], container: Container, turn: Turn) -> None:
        size = self.inputs_per_slot
        for first in range(0, len(group), size):
            self._begin(group[first : first + size], container, turn)

    def _begin(self, items: list[Input], container: Container, turn: Turn) -> None:
        deliveries = self._attempts.begin(items, container, turn.now)
        self._add(RunningBatch.of(items, container, turn.now))
        if self._late.are_any:
            self._late.needed(items, turn)
        turn.commands.append(DeliverBatch(container.container_id, deliveries))
        self._fleet.loaded(container, turn)

    def _add(self, batch: RunningBatch) -> None:
        self._batches[batch.number] = batch
        self._batch_of.update((number, batch) for number in batch.members)
        batch.container.fill(batch.number, batch.wanted)

    # --- and end ------------------------------------------------------------------------------------------------------

    def finished(self, container: Container, ends: list[AttemptEnd], turn: Turn) -> int:
        """A slot is free when all of its batch are here."""
        touched: dict[RunningBatch, None] = {}
        count = 0
        for end in ends:
            batch = self._batch_of.get(end.attempt)
            if batch is None or batch.container is not container:
                continue
            if end.attempt == batch.number and end.kind is OutcomeKind.SUCCESS:
                self._window.took(batch.size, turn.now - batch.started_at)
            del self._batch_of[end.attempt]
            item = batch.end(end.attempt)
            if item is not None:
                self._attempts.finished(item, end, turn)
            touched[batch] = None
            count += 1
        container.count_finished(count)
        for batch in touched:
            self._shrunk(batch, turn)
        return count

    def _shrunk(self, batch: RunningBatch, turn: Turn) -> None:
        """Inputs of it have ended. It has its slot until the last has, and is cancelled when nobody waits for the others."""
        container = batch.container
        if not batch.members:
            del self._batches[batch.number]
            container.let_go_of_batch(batch.number, turn.now)
        elif numbers := self._look_after(batch, "the inputs of its batch were cancelled", turn):
            turn.commands.append(CancelAttempts(container.container_id, numbers))

    def _look_after(self, batch: RunningBatch, reason: str, turn: Turn) -> list[int]:
        """Fewer wait for it. Its number, if nobody does any more, and its container is to be told so."""
        container = batch.container
        container.fill(batch.number, batch.wanted)
        if batch.wanted is not None or batch.awaited or batch.is_given_up:
            return []
        batch.was_given_up()
        self._attempts.abandon(batch.number, container, batch.input_id, reason, turn)
        return [batch.number]

    def abandon(self, item: Input, container: Container, reason: str, turn: Turn) -> list[int]:
        batch = self._batch_of[item.attempt]
        batch.give_up(item.attempt)
        return self._look_after(batch, reason, turn)

    def take_back(self, number: int, container: Container) -> list[Input]:
        return self._batches[number].give_up_all()

    def lose_all(self, container: Container) -> list[tuple[Input, bool]]:
        batches = [self._batches.pop(number) for number in container.running]
        lost: list[tuple[Input, bool]] = []
        for batch in batches:
            alone = len(batches) == 1 and batch.size == 1
            lost += [(item, alone) for item in batch.inputs]
            for number in batch.members:
                del self._batch_of[number]
        container.lose_all()
        return lost

    # --- those that began before the server did -----------------------------------------------------------------------

    def resumed(self, container: Container, running: list[HeldAttempt], now: float) -> list[HeldAttempt]:
        by_slot: dict[int, list[HeldAttempt]] = {}
        own = [it for it in running if it.attempt not in self._batch_of and it.slot not in self._batches]
        for held in own:
            by_slot.setdefault(held.slot, []).append(held)
        for members in by_slot.values():
            self._add(RunningBatch.resumed(members, container, now))
        return own

    def rejoin(self, item: Input, container: Container) -> None:
        batch = self._batch_of[item.attempt]
        batch.join(item)
        container.fill(batch.number, batch.wanted)

    def let_go(self, held: HeldAttempt, container: Container, reason: str, turn: Turn) -> list[int]:
        batch = self._batch_of[held.attempt]
        batch.give_up(held.attempt)
        return self._look_after(batch, reason, turn)

    # --- who is where -------------------------------------------------------------------------------------------------

    def known_as(self, item: Input) -> str:
        return self._batch_of[item.attempt].input_id

    def inputs_of(self, container: Container) -> list[Input]:
        return [item for number in container.running for item in self._batches[number].inputs]

    def count_in(self, container: Container) -> int:
        return sum(len(self._batches[number].members) for number in container.running)

    @property
    def none_due(self) -> bool:
        return not self._due(self._filled_at)

    def check(self) -> dict[str, bool]:
        """Slots and batches agree, and no batch is larger than it may be."""
        slots = {n: (c, i) for c in self._fleet.containers.values() for n, i in c.running.items()}
        batches = self._batches.values()
        return {
            "slots": slots.keys() == self._batches.keys(),
            "each slot stands for its batch": all(
                slots[b.number][0] is b.container and (slots[b.number][1] is None) == (b.wanted is None)
                for b in batches
            ),
            "sizes": all(1 <= len(b.members) <= b.size <= self.inputs_per_slot for b in batches),
            "batches of attempts": self._batch_of == {number: b for b in batches for number in b.members},
        }
