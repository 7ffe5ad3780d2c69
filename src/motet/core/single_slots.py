"""Slots that take one input each."""

from __future__ import annotations

from collections.abc import Sequence

from motet.core.attempts import Attempts
from motet.core.commands import DeliverAttempts
from motet.core.containers import Container
from motet.core.feeds import Feeds
from motet.core.fleet import Fleet
from motet.core.inputs import Input
from motet.core.late_arguments import LateArguments
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.model.ids import input_id
from motet.model.outcome import AttemptEnd, HeldAttempt


class SingleSlots:
    """The number of a slot is that of the attempt in it."""

    __slots__ = ("_attempts", "_feeds", "_fleet", "_late", "_queue")

    unit = "inputs"
    """What takes a slot, in words: for the reasons of decisions."""
    inputs_per_slot = 1

    def __init__(
        self, fleet: Fleet, queue: WaitingQueue, attempts: Attempts, feeds: Feeds, late: LateArguments
    ) -> None:
        self._fleet = fleet
        self._queue = queue
        self._attempts = attempts
        self._feeds = feeds
        self._late = late

    def queue(self, items: Sequence[Input]) -> None:
        """These inputs of one call wait from now on, behind all others of it."""
        if items:
            self._queue.add(items[0].call, items)

    def put_back(self, item: Input) -> None:
        """One that was taken from its container waits: it is next."""
        self._queue.put_back(item)

    def fill(self, turn: Turn) -> int:
        """Give slots below the target to those that wait, in the fullest container first. Returns how many slots the rest would
        take."""
        queue, fleet = self._queue, self._fleet
        target = fleet.target_inputs
        while queue.count and (container := fleet.index.fullest_below(target)):
            most = target if target < container.limit else container.limit
            self._deliver(queue.take(most - len(container.running)), container, turn)
        return queue.count

    def burst(self, turn: Turn) -> None:
        """Give slots above the target to the rest, in the emptiest container first: the pool may not have more containers, or
        has not yet."""
        queue, fleet = self._queue, self._fleet
        if fleet.max_inputs > fleet.target_inputs:
            while queue.count and (container := fleet.index.emptiest_below(fleet.max_inputs)):
                self._deliver(queue.take(1), container, turn)

    def deliver_group(self, group: list[Input], container: Container, turn: Turn) -> None:
        """Give slots of this container to a group of suspects."""
        self._deliver(group, container, turn)

    def _deliver(self, items: list[Input], container: Container, turn: Turn) -> None:
        deliveries = self._attempts.begin(items, container, turn.now)
        container.hold(items)
        if self._late.are_any:
            self._late.needed(items, turn)
        turn.commands.append(DeliverAttempts(container.container_id, deliveries))
        if self._feeds:
            self._feeds.delivered(container, deliveries, turn)
        self._fleet.loaded(container, turn)

    def finished(self, container: Container, ends: list[AttemptEnd], turn: Turn) -> int:
        """Outcomes from a container: how many. One that names an attempt it does not hold is stale, and dropped."""
        gone = container.let_go(ends, turn.now)
        finished = self._attempts.finished
        for item, end in gone:
            if item is not None:
                finished(item, end, turn)
        return len(gone)

    def abandon(self, item: Input, container: Container, reason: str, turn: Turn) -> list[int]:
        """Nobody waits for a running input any more. Returns the slots, by number, in which nothing runs now that anybody waits
        for: their container is to end it, and they stay taken until it has."""
        self._attempts.abandon(item.attempt, container, item.input_id, reason, turn)
        return [item.attempt]

    def take_back(self, number: int, container: Container) -> list[Input]:
        """The inputs of a slot in which nothing has begun, which it lets go of; none if nobody waits for any, or what they were
        fed is there."""
        item = container.running[number]
        return [item] if item is not None and not item.fed else []

    def lose_all(self, container: Container) -> list[tuple[Input, bool]]:
        """What a container ran that is gone, and that somebody waits for; with each, whether nothing else ran there."""
        alone = len(container.running) == 1
        lost = [(item, alone) for item in self.inputs_of(container)]
        container.lose_all()
        return lost

    def resumed(self, container: Container, running: list[HeldAttempt], now: float) -> list[HeldAttempt]:
        """A container is back with these, which no input has joined: they keep their slots. Returns those that can be its own:
        no two containers have one attempt, or one batch."""
        for held in running:
            container.fill(held.attempt, None)
        return running

    def rejoin(self, item: Input, container: Container) -> None:
        """An input has joined its attempt there."""
        container.fill(item.attempt, item)

    def let_go(self, held: HeldAttempt, container: Container, reason: str, turn: Turn) -> list[int]:
        """No input will join this attempt. Returns what `abandon` does."""
        self._attempts.abandon(held.attempt, container, input_id(held.call_id, held.index), reason, turn)
        return [held.attempt]

    def known_as(self, item: Input) -> str:
        """The id that a running input's code knows it by."""
        return item.input_id

    def inputs_of(self, container: Container) -> list[Input]:
        """The inputs that a container runs, and that somebody waits for."""
        return [item for item in container.running.values() if item is not None]

    def count_in(self, container: Container) -> int:
        """How many inputs a container runs, those included that nobody waits for."""
        return len(container.running)

    @property
    def none_due(self) -> bool:
        """No input waits that a free slot would have to take."""
        return not self._queue.count

    def check(self) -> dict[str, bool]:
        """What must hold, by name, and whether it does."""
        return {}
