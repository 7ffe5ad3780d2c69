"""One function's inputs and containers: who runs where, and what happens when an attempt ends, or does not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from motet.core import containers as states
from motet.core.autoscaler import Demand
from motet.core.commands import AckFeed, AckItems, CancelAttempts, DeliverAttempts, SendItems
from motet.core.containers import Container
from motet.core.feeds import Feeds
from motet.core.fleet import Fleet
from motet.core.inputs import DELAYED, RUNNING, WAITING, Call, Input
from motet.core.isolation import Isolation
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.errors import ContainerDied, FunctionTimeoutError, InternalError, RemoteError, ServiceError
from motet.model.function import FunctionSpec
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind

MAX_LONE_LOSSES = 2
"""An input whose container died this often while it ran there alone is what kills them."""

EncodeFailure = Callable[[type[Exception], str], bytes]
"""Encodes an exception that the platform reports: the engine decides the words, the wire knows the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a pool has of its engine: attempts' numbers, the form of failures, and how to ask for more.

    `retry_at` brings an input back at a moment, `alarm` asks for `Pool.tick`, `forget` drops a call that has ended.
    """

    attempts: Iterator[int]
    failure: EncodeFailure
    retry_at: Callable[[float, Input], None]
    alarm: Callable[[float], None]
    forget: Callable[[Call], None]


class Pool:
    """The queue, the running attempts and the fleet of one function."""

    def __init__(self, app_id: str, fleet: Fleet, services: Services) -> None:
        self.app_id = app_id
        self.fleet = fleet
        self.closed = False
        self.running = 0
        self.counts = dict.fromkeys(OutcomeKind, 0)
        self._queue = WaitingQueue()
        self._feeds = Feeds()
        self._isolation = Isolation(fleet)
        self._deadlines: OrderedDict[int, Input] = OrderedDict()
        """Running attempts, the earliest deadline first: all have the same timeout."""
        self._abandoned: OrderedDict[int, tuple[float, Container]] = OrderedDict()
        """Attempts nobody waits for any more, and until when their container is to let go of them."""
        self._attempts = services.attempts
        self._failure = services.failure
        self._retry_at = services.retry_at
        self._alarm = services.alarm
        self._forget = services.forget

    @property
    def spec(self) -> FunctionSpec:
        return self.fleet.spec

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._isolation.waiting)

    @property
    def inputs_per_slot(self) -> int:
        """How many inputs a slot takes at once, at most."""
        return 1

    def inputs_in(self, container: Container) -> int:
        """How many inputs a container runs."""
        return len(container.running)

    # --- inputs come and wait -----------------------------------------------------------------------------------------

    def add(self, item: Input) -> None:
        """A new input, or one whose retry is due."""
        self._queue.add(item)

    def pump(self, turn: Turn) -> None:
        """Give waiting inputs to slots, and scale. Cases, in this order:

        1. a suspect gets a container of its own;
        2. a container below its target takes inputs until it is there, the fullest first;
        3. what is left calls for containers, which start at once;
        4. meanwhile, or if there may be no more, containers above target take inputs up to `max_inputs`, the
           emptiest first;
        5. the rest waits, bound to no container.
        """
        queue, fleet, isolation = self._queue, self.fleet, self._isolation
        alone = 0
        if not isolation.idle:
            self._isolate(turn)
            alone = isolation.demand
        if queue:
            self._fill(fleet.target_inputs, turn)
        inputs = len(queue) + fleet.index.load
        fleet.scale(Demand(inputs, alone, bool(inputs or alone or self.running)), turn)
        if isolation.waiting:
            isolation.reserve()
        if queue and fleet.max_inputs > fleet.target_inputs:
            while queue and (container := fleet.index.emptiest_below(fleet.max_inputs)):
                self._deliver(container, 1, turn)

    def _fill(self, target: int, turn: Turn) -> None:
        while self._queue and (container := self.fleet.index.fullest_below(target)):
            self._deliver(container, target - len(container.running), turn)

    def _isolate(self, turn: Turn) -> None:
        isolation = self._isolation
        while isolation.waiting and (container := isolation.take_container()):
            self._deliver_alone(isolation.waiting.popleft(), container, turn)
        isolation.release()

    def _deliver_alone(self, item: Input, container: Container, turn: Turn) -> None:
        delivery = self._begin(item, container, turn.now)
        turn.commands.append(DeliverAttempts(container.container_id, [delivery]))
        if self._feeds:
            self._feeds.delivered(container, [delivery], turn)
        self.fleet.loaded(container, turn)

    def _deliver(self, container: Container, room: int, turn: Turn) -> None:
        deliveries: list[Delivery] = []
        while len(deliveries) < room and (item := self._queue.pop()):
            deliveries.append(self._begin(item, container, turn.now))
        if deliveries:
            turn.commands.append(DeliverAttempts(container.container_id, deliveries))
            if self._feeds:
                self._feeds.delivered(container, deliveries, turn)
            self.fleet.loaded(container, turn)

    def _begin(self, item: Input, container: Container, now: float) -> Delivery:
        item.move("delivered")
        attempt = item.attempt = next(self._attempts)
        item.attempts += 1
        item.container_id = container.container_id
        item.deadline = now + self.spec.timeout
        container.running[attempt] = item
        if not self._deadlines:
            self._alarm(item.deadline)
        self._deadlines[attempt] = item
        self.running += 1
        call = item.call
        return Delivery(attempt, call.call_id, item.index, call.method, item.payload)

    # --- attempts end -------------------------------------------------------------------------------------------------

    def finished(self, container: Container, ends: list[AttemptEnd], turn: Turn) -> None:
        """Outcomes from a container. One that names an attempt it does not hold is stale, and dropped."""
        running = container.running
        before = len(running)
        for end in ends:
            if end.attempt in running:
                item = running.pop(end.attempt)
                if item is not None:
                    self._settle(item, end, turn)
        if len(running) < before:
            container.finished += before - len(running)
            self.fleet.unloaded(container, turn)

    def _settle(self, item: Input, end: AttemptEnd, turn: Turn) -> None:
        self._release(item)
        item.suspect = False
        if end.kind is not OutcomeKind.SUCCESS and self._retry(item, end.kind, turn):
            return
        self._end(item, "finished", end.kind, end.payload, turn)

    def _retry(self, item: Input, kind: OutcomeKind, turn: Turn) -> bool:
        """Charge the user's policy with a failed attempt, if it has one left."""
        policy = self.spec.retries
        if kind not in (OutcomeKind.FAILURE, OutcomeKind.TIMED_OUT) or item.retries >= policy.max_retries:
            return False
        if item.items_sent or item.fed:  # its consumer would get them twice; what it was fed is gone
            return False
        item.retries += 1
        item.move("retried")
        item.note(f"attempt {item.attempts} {kind.name.lower()}, retry {item.retries} of {policy.max_retries}")
        self._retry_at(turn.now + policy.delay_before(item.retries), item)
        return True

    def _release(self, item: Input) -> None:
        self._deadlines.pop(item.attempt, None)
        item.container_id = None
        self.running -= 1

    def _end(self, item: Input, event: str, kind: OutcomeKind, payload: bytes, turn: Turn) -> None:
        item.move(event)
        self.counts[kind] += 1
        if self._feeds:
            self._feeds.forget(item)
        call = item.call
        del call.inputs[item.index]
        if not call.inputs:
            self._forget(call)
        turn.add_outcome(call, item.index, kind, payload)

    def _abandon(self, item: Input, container_id: str, turn: Turn) -> list[int]:
        """Let go of a running input; its slot stays taken until the container lets go of it, too.

        Returns the attempts that the container is to be told to end.
        """
        container = self.fleet.containers[container_id]
        numbers = self._vacated(item, container)
        for number in numbers:
            self._abandon_slot(number, container, turn.now)
        item.suspect = False
        self._release(item)
        return numbers

    def _abandon_slot(self, number: int, container: Container, now: float) -> None:
        container.running[number] = None
        deadline = now + self.fleet.cancel_grace
        self._abandoned[number] = (deadline, container)
        self._alarm(deadline)

    def _vacated(self, item: Input, container: Container) -> list[int]:
        """The slots in which nothing runs that anybody waits for, now that nobody waits for this input."""
        return [item.attempt]

    def _time_out(self, item: Input, turn: Turn) -> None:
        container_id = item.container_id
        assert container_id is not None
        if numbers := self._abandon(item, container_id, turn):
            turn.commands.append(CancelAttempts(container_id, numbers))
        if not self._retry(item, OutcomeKind.TIMED_OUT, turn):
            text = f"Input {item.input_id} ran longer than its timeout of {self.spec.timeout:g} s"
            self._end(item, "timed_out", OutcomeKind.TIMED_OUT, self._failure(FunctionTimeoutError, text), turn)

    def cancel(self, call: Call, reason: str, turn: Turn) -> None:
        """End every input of a call, wherever it is."""
        failure = self._failure(RemoteError, f"Input was cancelled: {reason}")
        attempts: dict[str, list[int]] = {}
        self._queue.remove(call)
        for item in list(call.inputs.values()):
            if item.state is RUNNING and item.container_id is not None:
                container_id = item.container_id
                if numbers := self._abandon(item, container_id, turn):
                    attempts.setdefault(container_id, []).extend(numbers)
            elif item.suspect:
                self._isolation.waiting.remove(item)
            self._end(item, "cancelled", OutcomeKind.CANCELLED, failure, turn)
        turn.commands.extend(CancelAttempts(container_id, numbers) for container_id, numbers in attempts.items())

    # --- items of a stream --------------------------------------------------------------------------------------------

    def yielded(self, container: Container, attempt: int, items: list[bytes], turn: Turn) -> None:
        item = container.running.get(attempt)
        if item is not None:
            item.items_sent += len(items)
            turn.commands.append(SendItems(item.call.client, item.call.call_id, item.index, items))

    def feed(self, item: Input, items: list[bytes], turn: Turn) -> None:
        self._feeds.feed(item, items, turn)

    def feed_taken(self, container: Container, attempt: int, count: int, turn: Turn) -> None:
        item = container.running.get(attempt)
        if item is not None:
            turn.commands.append(AckFeed(item.call.client, item.call.call_id, item.index, count))

    def taken(self, item: Input, count: int, turn: Turn) -> None:
        if item.container_id is not None:
            turn.commands.append(AckItems(item.container_id, item.attempt, count))

    # --- containers come and go ---------------------------------------------------------------------------------------

    def start_failed(self, container: Container, failure: bytes, turn: Turn) -> None:
        """A container will not serve: the user's module or enter hook raised, or it took too long."""
        self.fleet.failed_to_start(container, turn)
        self._tell_waiting(failure, turn)

    def refuse(self, reason: str, turn: Turn) -> None:
        """The host cannot run this function at all."""
        text = f"{self.spec.name} cannot run here: {reason}"
        self._tell_waiting(self._failure(ServiceError, text), turn)

    def _tell_waiting(self, failure: bytes, turn: Turn) -> None:
        """Why no container serves them, unless one does or still may."""
        if self.fleet.live:
            return
        suspects = self._isolation.waiting
        while item := (suspects.popleft() if suspects else self._queue.pop()):
            self._end(item, "failed", OutcomeKind.FAILURE, failure, turn)

    def container_ended(self, container: Container, description: str, turn: Turn) -> None:
        """A container is gone: what it ran is redelivered, unless it is what killed it."""
        was_starting = container.state is states.STARTING
        lost = self._lost(container)
        container.running.clear()
        self.fleet.ended(container, turn)
        if was_starting:
            text = f"container {container.container_id} {description} while it was starting"
            self._tell_waiting(self._failure(ContainerDied, text), turn)
        for item, alone in reversed(lost):
            self._release(item)
            self._lose(item, container.container_id, description, alone, turn)

    def _lost(self, container: Container) -> list[tuple[Input, bool]]:
        """The inputs that a container that is gone ran; with each, whether nothing else ran there."""
        alone = len(container.running) == 1
        return [(item, alone) for item in container.running.values() if item is not None]

    def _lose(self, item: Input, container_id: str, description: str, alone: bool, turn: Turn) -> None:
        item.note(f"{container_id} {description}")
        item.lone_losses += alone
        if item.items_sent:
            text = f"container {container_id} {description} after {item.items_sent} items were streamed"
        elif item.fed:
            text = f"container {container_id} {description} after it had been sent a part of {item.input_id}"
        elif item.lone_losses >= MAX_LONE_LOSSES:
            text = (
                f"container {container_id} {description} while it ran {item.input_id} alone, "
                f"{item.lone_losses} times over; it is not run again"
            )
        else:
            item.move("lost")
            item.suspect = True
            self._isolation.waiting.appendleft(item)
            return
        self._end(item, "failed", OutcomeKind.LOST, self._failure(ContainerDied, text), turn)

    # --- time, and the end --------------------------------------------------------------------------------------------

    def tick(self, turn: Turn) -> None:
        """An alarm of this pool rang: look at every deadline that may have passed."""
        while self._deadlines:
            item = next(iter(self._deadlines.values()))
            if item.deadline > turn.now:
                self._alarm(item.deadline)
                break
            self._time_out(item, turn)
        while self._abandoned:
            attempt, (deadline, container) = next(iter(self._abandoned.items()))
            if deadline > turn.now:
                self._alarm(deadline)
                break
            del self._abandoned[attempt]
            if attempt in container.running:
                self.fleet.give_up(container, attempt, turn)
        for container in self.fleet.overdue_starts(turn.now):
            text = f"a container did not start within startup_timeout={self.spec.startup_timeout:g} s"
            self.start_failed(container, self._failure(FunctionTimeoutError, text), turn)
        self.fleet.kill_overdue_stops(turn)

    def close(self, grace: float, turn: Turn) -> None:
        """The app stopped: its inputs have been cancelled, its containers go."""
        self.closed = True
        self.fleet.close(grace, turn)

    def check(self, calls: dict[str, Call]) -> None:
        """Raise `InternalError` unless every promise about this pool holds."""
        self.fleet.check()
        mine = [i for c in calls.values() if c.function_id == self.fleet.function_id for i in c.inputs.values()]
        held = self._held()
        facts = {
            "running": self.running == len(held) == sum(i.state is RUNNING for i in mine),
            "waiting": self.waiting == sum(i.state is WAITING for i in mine),
            "each running input is where it thinks": all(i.attempt == n for n, i in held.items()),
            "deadlines": set(self._deadlines) == set(held),
            "no free slot while inputs wait": self._none_due
            or self.fleet.index.emptiest_below(self.fleet.max_inputs) is None,
            "suspects": all(i.suspect and i.state is WAITING for i in self._isolation.waiting),
            "set aside only for suspects": not self._isolation.idle
            or not any(c.exclusive and c.state is states.READY for c in self.fleet.containers.values()),
            "somebody will serve those who wait": not self.waiting or bool(self.fleet.wanted or self.fleet.containers),
            "states": all(i.state in (WAITING, DELAYED, RUNNING) for i in mine),
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"pool of {self.spec.name}: {', '.join(broken)}: {mine} {self.fleet.containers}")

    def _held(self) -> dict[int, Input]:
        """Running inputs by attempt, as the containers have them."""
        return {n: i for c in self.fleet.containers.values() for n, i in c.running.items() if i is not None}

    @property
    def _none_due(self) -> bool:
        """No input waits that a free slot would have to take."""
        return not self._queue
