"""One function's inputs and containers: who runs where, and what happens when an attempt ends, or does not."""

from __future__ import annotations

from motet.core import containers as states
from motet.core.admission import Admission
from motet.core.autoscaler import Demand
from motet.core.commands import CancelAttempts, DeliverAttempts
from motet.core.containers import Container
from motet.core.deadlines import Deadlines
from motet.core.endings import Endings
from motet.core.feeds import Feeds
from motet.core.fleet import Fleet
from motet.core.grace import Grace
from motet.core.inputs import RUNNING, Call, Cancelled, Input
from motet.core.isolation import Isolation
from motet.core.pool_promises import PoolPromises
from motet.core.retirement import Retirement
from motet.core.scaler import Scaler
from motet.core.services import Services
from motet.core.size import Size
from motet.core.standstill import Standstill
from motet.core.turn import Turn
from motet.core.unserved import Unserved
from motet.core.waiting import WaitingQueue
from motet.errors import ContainerDied, FunctionTimeoutError, RemoteError
from motet.model.attempt import AttemptRecord
from motet.model.outcome import AttemptEnd, Delivery, OutcomeKind


class Pool(PoolPromises):
    """The queue, the running attempts and the fleet of one function."""

    def __init__(self, app_id: str, fleet: Fleet, scaler: Scaler, services: Services) -> None:
        self.app_id = app_id
        self.fleet = fleet
        self.closed = False
        self.retirement: Retirement | None = None
        self.running = 0
        self._queue = WaitingQueue()
        self.feeds = Feeds()
        self.endings = Endings(self.spec, self.feeds, services)
        self.size = Size(fleet, scaler, lambda: (self.waiting, self.running), services.alarm)
        self._isolation = Isolation(fleet, self.size)
        self._deadlines = Deadlines(self.spec.timeout, self.spec.queue_timeout, services.alarm)
        self._scaler = scaler
        self._scaler.running = self._deadlines
        self._abandoned: Grace[tuple[int, Container]] = Grace(self.spec.cancellation_grace, services.alarm)
        """Slots whose attempt nobody waits for any more, until their container lets go of it."""
        self.admission = Admission(self._queue, fleet)
        parts = (self._queue, self._isolation, self._deadlines, self.endings)
        self.unserved = Unserved(fleet, self.size, *parts, services.alarm)
        self.standstill = Standstill(fleet, self._deadlines, self._inputs_of)
        self._uninterruptible = self.spec.uninterruptible if fleet.max_inputs > 1 else frozenset()
        self._attempts = services.attempts
        self._alarm = services.alarm

    @property
    def inputs_per_slot(self) -> int:
        """How many inputs a slot takes at once, at most."""
        return 1

    def inputs_in(self, container: Container) -> int:
        """How many inputs a container runs."""
        return len(container.running)

    # --- inputs come and wait -----------------------------------------------------------------------------------------

    def submit(self, items: list[Input]) -> None:
        """New inputs."""
        self._scaler.submitted += len(items)
        self.size.inputs_came(items)
        for item in items:
            self.add(item)
        if self.spec.queue_timeout is not None:
            self._deadlines.wait(items)

    def add(self, item: Input) -> None:
        """A new input, or one whose retry is due."""
        self._queue.add(item)

    def _put_back(self, item: Input) -> None:
        """One that was taken from its container: it is next."""
        if item.suspect:
            self._isolation.put_back(item)
        else:
            self._queue.put_back(item)

    def pump(self, turn: Turn) -> None:
        """Give waiting inputs to slots, and scale. Cases, in this order:

        1. a group of suspects gets a container of its own;
        2. a container below its target takes inputs until it is there, the fullest first;
        3. what is left calls for containers, which start at once;
        4. meanwhile, or if there may be no more, containers above target take inputs up to `max_inputs`, the
           emptiest first;
        5. the rest waits, bound to no container.
        """
        if self.unserved and self.unserved.settle(turn):
            return
        queue, fleet, isolation = self._queue, self.fleet, self._isolation
        alone = 0
        if not isolation.idle:
            self._isolate(turn)
            alone = isolation.demand
        beside = alone + fleet.out_of_reach if fleet.held_up else alone
        if queue:
            self._fill(fleet.target_inputs, turn)
        waiting = len(queue)
        inputs = waiting + fleet.index.taken(fleet.target_inputs)
        self.size.scale(Demand(inputs, beside, bool(inputs or beside or self.running), "inputs", waiting), turn)
        if alone:
            isolation.reserve()
        if queue and fleet.max_inputs > fleet.target_inputs:
            while queue and (container := fleet.index.emptiest_below(fleet.max_inputs)):
                self._deliver(container, 1, turn)

    def _fill(self, target: int, turn: Turn) -> None:
        while self._queue and (container := self.fleet.index.fullest_below(target)):
            self._deliver(container, min(target, container.limit) - len(container.running), turn)

    def _isolate(self, turn: Turn) -> None:
        for group, container in self._isolation.placed():
            self._deliver_group(group, container, turn)
        self._isolation.release()

    def _deliver_group(self, group: list[Input], container: Container, turn: Turn) -> None:
        self._send([self._begin(item, container, turn.now) for item in group], container, turn)

    def _deliver(self, container: Container, room: int, turn: Turn) -> None:
        deliveries: list[Delivery] = []
        while len(deliveries) < room and (item := self._queue.pop()):
            deliveries.append(self._begin(item, container, turn.now))
        if deliveries:
            self._send(deliveries, container, turn)

    def _send(self, deliveries: list[Delivery], container: Container, turn: Turn) -> None:
        turn.commands.append(DeliverAttempts(container.container_id, deliveries))
        if self.feeds:
            self.feeds.delivered(container, deliveries, turn)
        self.fleet.loaded(container, turn)

    def _begin(self, item: Input, container: Container, now: float) -> Delivery:
        item.move("delivered")
        attempt = item.attempt = next(self._attempts)
        item.attempts += 1
        if item.over is not None:
            container_id, ended_at, kind, began, finished = item.over
            attempt_over = AttemptRecord(container_id, item.delivered_at, ended_at, kind, began, finished)
            item.earlier = (*item.earlier, attempt_over)
            item.over = None
        item.container_id = container.container_id
        container.running[attempt] = item
        self._deadlines.began(item, now)
        self.running += 1
        call = item.call
        return Delivery(attempt, call.call_id, item.index, call.method, item.payload, call.trace)

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
            self.admission.pace.ended(before - len(running), turn.now)
            self.fleet.unloaded(container, turn)

    def _settle(self, item: Input, end: AttemptEnd, turn: Turn) -> None:
        if end.kind is not OutcomeKind.SUCCESS:
            self._failed(item, turn)
        self._release(item, end.kind, turn, end.began, end.finished)
        self._scaler.served(turn.now - item.delivered_at)
        item.suspect = False
        if end.kind is not OutcomeKind.SUCCESS and self.endings.retry(item, end.kind, turn):
            return
        self.endings.end(item, "finished", end.kind, end.payload, turn)

    def _failed(self, item: Input, turn: Turn) -> None:
        """Its attempt was for nothing."""
        if self.fleet.learned is not None and item.container_id is not None:
            self.fleet.learned.failed(item.container_id, item.attempt, turn.now)

    def _release(self, item: Input, kind: OutcomeKind, turn: Turn, began: float = 0.0, finished: float = 0.0) -> None:
        if turn.recording:
            item.over = (item.container_id or "", turn.now, kind, began, finished)
        self._deadlines.over(item.attempt)
        item.container_id = None
        self.running -= 1

    # --- and are given up ---------------------------------------------------------------------------------------------

    def _abandon(self, item: Input, container: Container, kind: OutcomeKind, reason: str, turn: Turn) -> list[int]:
        """Let go of a running input; its slot stays taken until the container lets go of it, too.

        Returns the attempts that the container is to be told to end. What the input called and waits for is cancelled, later.
        """
        numbers = self._vacated(item, container)
        for number in numbers:
            self._abandon_slot(number, container, self._input_id(item), reason, turn)
        item.suspect = False
        self._release(item, kind, turn)
        return numbers

    def _abandon_slot(self, attempt: int, container: Container, input_id: str, reason: str, turn: Turn) -> None:
        container.running[attempt] = None
        if self.fleet.learned is not None:
            self.fleet.learned.forget(container.container_id, attempt)
        self._abandoned.begin((attempt, container), turn.now)
        turn.orphaned.append((input_id, reason))

    def _vacated(self, item: Input, container: Container) -> list[int]:
        """The slots in which nothing runs that anybody waits for, now that nobody waits for this input."""
        return [item.attempt]

    def _input_id(self, item: Input) -> str:
        """The id that a running input's code knows it by."""
        return item.input_id

    def _give_up(self, items: list[Input], kind: OutcomeKind, reason: str, turn: Turn, terminate: bool = False) -> None:
        """Nobody waits for these running inputs any more: have their code interrupted, or, to `terminate`, their containers
        killed. Where that is how sync inputs are cancelled, their container is stopped. Neighbours run elsewhere then."""
        attempts: dict[str, list[int]] = {}
        doomed: dict[Container, None] = {}
        for item in items:
            assert item.container_id is not None
            container = self.fleet.containers[item.container_id]
            if numbers := self._abandon(item, container, kind, reason, turn):
                if terminate or item.call.method in self._uninterruptible:
                    doomed[container] = None
                else:
                    attempts.setdefault(container.container_id, []).extend(numbers)
        for container in doomed:
            self.evict(container, f"it ran a cancelled input ({reason})", turn, kill=terminate)
        # Those that are on their way out end all that they run.
        spared = [it for it in attempts.items() if self.fleet.containers[it[0]].state is not states.STOPPING]
        turn.commands.extend(CancelAttempts(container_id, numbers) for container_id, numbers in spared)

    def cancel(self, call: Call, reason: str, error: type[RemoteError], *, terminate: bool = False) -> None:
        """From now on nothing of this call is delivered: `end_some` ends it, with this error. `terminate` kills the containers
        that run any."""
        if call.cancelled is None:
            self._queue.withdraw(call)
            self._isolation.withdraw(call)
        if call.cancelled is None or terminate:
            failure = self.endings.failure(error(f"Input was cancelled: {reason}"))
            call.cancelled = Cancelled(reason, failure, terminate)

    def end_some(self, call: Call, turn: Turn) -> None:
        """End as many inputs of a cancelled call as the turn has room for, wherever they are."""
        assert call.cancelled is not None
        reason, failure, terminate = call.cancelled
        items = call.some(max(turn.room, 1))
        turn.room -= len(items)
        self._give_up([it for it in items if it.state is RUNNING], OutcomeKind.CANCELLED, reason, turn, terminate)
        for item in items:
            self.endings.end(item, "cancelled", OutcomeKind.CANCELLED, failure, turn)

    def _time_out(self, item: Input, turn: Turn) -> None:
        text = self.endings.overrun(item, self._input_id(item))
        self._failed(item, turn)
        self._give_up([item], OutcomeKind.TIMED_OUT, text, turn)
        if not self.endings.retry(item, OutcomeKind.TIMED_OUT, turn):
            self.endings.time_out(item, text, turn)

    def evict(self, container: Container, reason: str, turn: Turn, *, kill: bool) -> None:
        """End a container for a reason that its inputs are not to blame for: they run elsewhere, uncharged."""
        lost = self._lost(container)
        container.running.clear()
        if kill:
            self.fleet.kill(container, reason, turn)
        elif container.state is not states.STOPPING:  # its app may be stopping
            self.fleet.stop(container, reason, turn)
        self._run_elsewhere(lost, container, f"was ended ({reason})", turn)

    def _run_elsewhere(self, lost: list[tuple[Input, bool]], container: Container, what: str, turn: Turn) -> None:
        for item, _ in reversed(lost):
            if self._lose(item, container, what, turn):
                self._put_back(item)

    def blocked(self, container: Container, seen: int, not_begun: list[int], turn: Turn) -> None:
        """Its event loop does not turn, and it has given back what has not begun there: that runs elsewhere, uncharged, and no
        time of its timeout has passed. Its slots stay taken until the container has let go of them."""
        given_back = set(not_begun)
        lost: list[Input] = []
        for number in [number for number in container.running if number > seen or number in given_back]:
            if taken := self._take_back(number, container):
                lost += taken
                container.running[number] = None
                container.stuck.add(number)
                if self.fleet.learned is not None:
                    self.fleet.learned.forget(container.container_id, number)
        if not container.blocked:
            self.fleet.blocked(container, turn)
        for item in reversed(lost):
            self._release(item, OutcomeKind.LOST, turn)
            if item.call.cancelled is not None:
                self.endings.end(item, "cancelled", OutcomeKind.CANCELLED, item.call.cancelled.failure, turn)
                continue
            item.note(f"the event loop of container {container.container_id} is blocked: it has not begun")
            item.move("lost")
            self._put_back(item)

    def _take_back(self, number: int, container: Container) -> list[Input]:
        """The inputs of a slot in which nothing has begun; none if nobody waits for any, or what they were fed is there."""
        item = container.running[number]
        return [item] if item is not None and not item.fed else []

    # --- containers come and go ---------------------------------------------------------------------------------------

    def became_ready(self, container: Container, turn: Turn) -> None:
        """A container may be given attempts."""
        self._scaler.started(turn.now - container.started_at)
        self.fleet.became_ready(container, turn)

    def start_failed(self, container: Container, failure: bytes, turn: Turn) -> None:
        """A container will not serve: the user's module or enter hook raised, or it took too long."""
        self.fleet.failed_to_start(container, turn)
        self.unserved.tell(failure, turn)

    def container_ended(self, container: Container, description: str, turn: Turn, *, blameless: bool = False) -> None:
        """A container is gone: what it ran is redelivered, unless it is what killed it. (`blameless`: it cannot be.)"""
        was_starting = container.state is states.STARTING
        lost = self._lost(container)
        container.running.clear()
        self.fleet.ended(container, turn)
        if blameless:
            self._run_elsewhere(lost, container, description, turn)
            return
        if was_starting and self.fleet.start_failures.not_bad_luck:
            text = f"container {container.container_id} {description} while it was starting, as others before it"
            self.unserved.tell(self.endings.failure(ContainerDied(text)), turn)
        suspects = []
        for item, alone in lost:
            item.lone_losses += alone
            if self._lose(item, container, description, turn):
                suspects.append(item)
        self._isolation.add(suspects)

    def _lost(self, container: Container) -> list[tuple[Input, bool]]:
        """The inputs that a container that is gone ran; with each, whether nothing else ran there."""
        alone = len(container.running) == 1
        return [(item, alone) for item in container.running.values() if item is not None]

    def _lose(self, item: Input, container: Container, description: str, turn: Turn) -> bool:
        """A running input has lost its container: True if it can run again, and waits from now on; otherwise it ends."""
        self._release(item, OutcomeKind.LOST, turn)
        return self.endings.redeliver(item, f"container {container.container_id} {description}", turn)

    # --- time, and the end --------------------------------------------------------------------------------------------

    def tick(self, turn: Turn) -> None:
        """An alarm of this pool rang: look at every deadline that may have passed."""
        for item in self._deadlines.running_late(turn.now):
            if turn.room <= 0:
                self._alarm(turn.now)
                break
            turn.room -= 1
            self._time_out(item, turn)
        if self.unserved:
            self.unserved.settle(turn)
        for attempt, container in self._abandoned.overdue(turn.now):
            if attempt in container.running:
                self.fleet.give_up(container, attempt, turn)
        for container, what in self.fleet.overstayed(turn.now):
            self.evict(container, f"{what} for too long", turn, kill=True)
        for container in self.fleet.overdue_starts(turn.now):
            text = f"a container did not start within startup_timeout={self.spec.startup_timeout:g} s"
            self.start_failed(container, self.endings.failure(FunctionTimeoutError(text)), turn)
        self.fleet.kill_overdue_stops(turn)

    def is_unused(self, retirement: Retirement, turn: Turn) -> bool:
        """Whether this variant has been idle for so long that it goes. Its last containers, if it keeps any, go before."""
        busy = self.size.submitted > sum(self.endings.counts.values())
        due_at = retirement.due_at(busy, self.size.settings.scaledown_window, turn.now)
        if due_at is not None and due_at > turn.now:
            self._alarm(due_at)
        elif due_at is not None and not self.fleet.containers:
            return True
        elif due_at is not None and retirement.when == "when idle":
            self.fleet.end_reason = "nobody used this variant for a while"
            self.close(self.fleet.host.limits.stop_grace, turn)
        return False

    def close(self, grace: float, turn: Turn) -> None:
        """The app stopped: its inputs have been cancelled, its containers go."""
        self.closed = True
        self.unserved.close()
        self.size.close()
        self.fleet.close(grace, turn)
