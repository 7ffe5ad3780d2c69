"""The pool of a batched function: inputs wait for one another, share a slot and a call, and part again."""

from __future__ import annotations

from collections import deque

from motet.core.autoscaler import Demand
from motet.core.batch_window import window_for
from motet.core.commands import CancelAttempts, DeliverBatch
from motet.core.containers import Container
from motet.core.fleet import Fleet
from motet.core.inputs import WAITING, Call, Input
from motet.core.pool import Pool
from motet.core.scaler import Scaler
from motet.core.services import Services
from motet.core.turn import Turn
from motet.errors import InternalError
from motet.model.outcome import AttemptEnd, OutcomeKind


class Batch:
    """Attempts in one slot. `number` is the first one's; `members` lacks those that have ended, and has None for those
    nobody waits for any more. `input_id` is what its code knows it by: its first input's."""

    __slots__ = ("container", "input_id", "members", "number", "size", "started_at")

    def __init__(self, container: Container, members: dict[int, Input | None], now: float) -> None:
        self.number, first = next(iter(members.items()))
        assert first is not None
        self.input_id = first.input_id
        self.container = container
        self.members = members
        self.size = len(members)
        self.started_at = now

    @property
    def wanted(self) -> Input | None:
        """One of its inputs that somebody waits for."""
        return next((item for item in self.members.values() if item is not None), None)


def _left_the_queue(came_at: float, item: Input, attempts: int) -> bool:
    return item.state is not WAITING or item.attempts != attempts or item.call.cancelled is not None


class BatchedPool(Pool):
    """A slot takes a batch of up to `max_batch_size` inputs; for the autoscaler, too, a batch is one.

    Outcomes, retries, cancelling and deadlines remain each input's own: one that is cancelled leaves its batch-mates running.
    """

    def __init__(self, app_id: str, fleet: Fleet, scaler: Scaler, services: Services) -> None:
        super().__init__(app_id, fleet, scaler, services)
        assert fleet.spec.batching is not None
        self._size = fleet.spec.batching.max_batch_size
        self._window = window_for(fleet.spec.batching)
        self._arrivals: deque[tuple[float, Input, int]] = deque()
        """When inputs of the queue came, in order, each with its attempts then; those that left are skipped later."""
        self._unseen: list[Input] = []
        self._pumped_at = 0.0
        self._batches: dict[int, Batch] = {}
        """By their numbers."""
        self._batch_of: dict[int, Batch] = {}
        """By the attempts that are in them still."""

    @property
    def inputs_per_slot(self) -> int:
        return self._size

    def inputs_in(self, container: Container) -> int:
        return sum(len(self._batches[number].members) for number in container.running)

    # --- batches form -------------------------------------------------------------------------------------------------

    def add(self, item: Input) -> None:
        super().add(item)
        self._unseen.append(item)

    def _put_back(self, item: Input) -> None:
        super()._put_back(item)
        if not item.suspect:
            self._unseen.append(item)

    def pump(self, turn: Turn) -> None:
        """As `Pool.pump`, with batches for inputs. A batch that is not due yet waits beside a free slot; its window has
        begun with its first input, and containers are asked for from then on."""
        if self.unserved and self.unserved.settle(turn):
            return
        self._see_arrivals(turn.now)
        self._pumped_at = turn.now
        queue, fleet, isolation = self._queue, self.fleet, self._isolation
        alone = 0
        if not isolation.idle:
            self._isolate(turn)
            alone = isolation.demand
        beside = alone + fleet.out_of_reach if fleet.held_up else alone
        while self._due(turn.now) and (container := fleet.index.fullest_below(fleet.target_inputs)):
            self._deliver_batch(container, turn)
        waiting = -(-len(queue) // self._size)
        batches = waiting + fleet.index.taken(fleet.target_inputs)
        self.size.scale(Demand(batches, beside, bool(batches or beside or self.running), "batches", waiting), turn)
        if alone:
            isolation.reserve()
        while self._due(turn.now) and (container := fleet.index.emptiest_below(fleet.max_inputs)):
            self._deliver_batch(container, turn)
        self._forget_arrivals()
        if queue and not self._due(turn.now):
            self._alarm(self._arrivals[0][0] + self._window.plan.wait)

    def _see_arrivals(self, now: float) -> None:
        for item in self._unseen:
            self._arrivals.append((now, item, item.attempts))
            self._window.arrived(now)
        self._unseen.clear()

    def _due(self, now: float) -> bool:
        """The inputs that wait are to leave as soon as there is a slot."""
        waiting = len(self._queue)
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

    def _deliver_batch(self, container: Container, turn: Turn) -> None:
        items: list[Input] = []
        while len(items) < self._size and (item := self._queue.pop()):
            items.append(item)
        self._begin_batch(items, container, turn)

    def _deliver_group(self, group: list[Input], container: Container, turn: Turn) -> None:
        for first in range(0, len(group), self._size):
            self._begin_batch(group[first : first + self._size], container, turn)

    def _begin_batch(self, items: list[Input], container: Container, turn: Turn) -> None:
        deliveries = [self._begin(item, container, turn.now) for item in items]
        batch = Batch(container, {item.attempt: item for item in items}, turn.now)
        self._batches[batch.number] = batch
        for number in batch.members:
            self._batch_of[number] = batch
            if number != batch.number:  # all of them take one slot
                del container.running[number]
        turn.commands.append(DeliverBatch(container.container_id, deliveries))
        self.fleet.loaded(container, turn)

    # --- and end ------------------------------------------------------------------------------------------------------

    def finished(self, container: Container, ends: list[AttemptEnd], turn: Turn) -> None:
        """Outcomes from a container, of inputs of one or more batches; a slot is free when all of its batch are here."""
        touched: dict[Batch, None] = {}
        for end in ends:
            batch = self._batch_of.get(end.attempt)
            if batch is None or batch.container is not container:
                continue
            if end.attempt == batch.number and end.kind is OutcomeKind.SUCCESS:
                self._window.took(batch.size, turn.now - batch.started_at)
            del self._batch_of[end.attempt]
            item = batch.members.pop(end.attempt)
            if item is not None:
                self._settle(item, end, turn)
            container.finished += 1
            touched[batch] = None
        if touched:
            for batch in touched:
                self._shrunk(batch, turn)
            self.admission.pace.ended(len(ends), turn.now)
            self.fleet.unloaded(container, turn)

    def _shrunk(self, batch: Batch, turn: Turn) -> None:
        """Inputs of it have ended. It has its slot until the last has, and is cancelled when nobody waits for the others."""
        running = batch.container.running
        if not batch.members:
            del self._batches[batch.number], running[batch.number]
        elif batch.wanted is not None:
            running[batch.number] = batch.wanted
        elif running[batch.number] is not None:
            reason = "the inputs of its batch were cancelled"
            self._abandon_slot(batch.number, batch.container, batch.input_id, reason, turn)
            turn.commands.append(CancelAttempts(batch.container.container_id, [batch.number]))

    def _vacated(self, item: Input, container: Container) -> list[int]:
        batch = self._batch_of[item.attempt]
        batch.members[item.attempt] = None
        container.running[batch.number] = batch.wanted
        return [] if batch.wanted is not None else [batch.number]

    def _input_id(self, item: Input) -> str:
        return self._batch_of[item.attempt].input_id

    def _inputs_of(self, container: Container) -> list[Input]:
        batches = (self._batches[number] for number in container.running)
        return [item for batch in batches for item in batch.members.values() if item is not None]

    def _lost(self, container: Container) -> list[tuple[Input, bool]]:
        batches = [self._batches.pop(number) for number in container.running]
        lost: list[tuple[Input, bool]] = []
        for batch in batches:
            alone = len(batches) == 1 and batch.size == 1
            lost += [(item, alone) for item in batch.members.values() if item is not None]
            for number in batch.members:
                del self._batch_of[number]
        return lost

    def _take_back(self, number: int, container: Container) -> list[Input]:
        members = self._batches[number].members
        taken = [item for item in members.values() if item is not None]
        members.update(dict.fromkeys(members))
        return taken

    # --- for tests ----------------------------------------------------------------------------------------------------

    def check(self, calls: dict[str, Call]) -> None:
        """As `Pool.check`; also: slots and batches agree, and no batch is larger than it may be."""
        super().check(calls)
        slots = {n: (c, i) for c in self.fleet.containers.values() for n, i in c.running.items()}
        batches = self._batches.values()
        facts = {
            "slots": slots.keys() == self._batches.keys(),
            "each slot stands for its batch": all(
                slots[b.number][0] is b.container and (slots[b.number][1] is None) == (b.wanted is None)
                for b in batches
            ),
            "sizes": all(1 <= len(b.members) <= b.size <= self._size for b in batches),
            "attempts": self._batch_of == {number: b for b in batches for number in b.members},
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"batches of {self.spec.name}: {', '.join(broken)}: {slots}")

    @property
    def _none_due(self) -> bool:
        return not self._due(self._pumped_at)
