"""One function's inputs and containers: what each of its parts is, and in which order they act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from motet.core.admission import Admission
from motet.core.attempts import Attempts
from motet.core.autoscaler import Demand
from motet.core.batch_slots import BatchSlots
from motet.core.commands import CancelAttempts, ReportWarm
from motet.core.containers import STOPPING, Container
from motet.core.deadlines import Deadlines
from motet.core.earlier_attempts import EarlierAttempts
from motet.core.endings import Endings
from motet.core.events import ContainerResumed
from motet.core.feeds import Feeds
from motet.core.fleet import Fleet
from motet.core.inputs import Input
from motet.core.interruptions import Interruptions
from motet.core.isolation import Isolation
from motet.core.late_arguments import LateArguments
from motet.core.losses import Losses
from motet.core.queue_times import QueueTimes
from motet.core.retirement import Retirement
from motet.core.scaler import Scaler
from motet.core.services import Services
from motet.core.single_slots import SingleSlots
from motet.core.size import Size
from motet.core.slots import Slots
from motet.core.standstill import Standstill
from motet.core.timers import Alarm
from motet.core.turn import Turn
from motet.core.unserved import Unserved
from motet.core.waiting import WaitingQueue
from motet.errors import ConnectionError, FunctionTimeoutError
from motet.model.function import FunctionSpec
from motet.model.outcome import AttemptEnd, HeldAttempt


class Pool:
    """The queue, the running attempts and the fleet of one function. `retirement`: when it goes, if it is a variant's."""

    def __init__(
        self,
        app_id: str,
        function_id: str,
        spec: FunctionSpec,
        services: Services,
        retirement: Retirement | None = None,
        *,
        own_host: bool = False,
        bundle: str = "",
    ) -> None:
        self.app_id = app_id
        self.function_id = function_id
        self.spec = spec
        self.retirement = retirement
        self.closed = False
        self.is_retired = False
        """Its app was retired: only that app's containers call it any more."""
        self.alarm = Alarm(self, services.timers)
        """Rings for `tick`."""
        alarm = self.alarm.set
        self.queue = WaitingQueue()
        self.late = LateArguments(function_id, self.queue, at_most_once=spec.at_most_once)
        self.feeds = Feeds()
        share = services.shares.app(app_id)
        of_host = services.host, services.roster, alarm, share
        self.fleet = fleet = Fleet(function_id, spec, *of_host, own_host=own_host, bundle=bundle)
        self.earlier = EarlierAttempts(alarm)
        self.isolation = Isolation(fleet)
        self.endings = Endings(spec, self.feeds, services)
        self.deadlines = Deadlines(spec.timeout, alarm)
        self.queue_times = QueueTimes(spec.queue_timeout, alarm)
        self._scaler = Scaler(services.policy, fleet, self.deadlines, alarm)
        self.attempts = Attempts(
            spec, services.attempts, self.deadlines, self.queue_times, self.endings, self._scaler, fleet.learned, alarm
        )
        self.slots: Slots = (
            SingleSlots(fleet, self.queue, self.attempts, self.feeds, self.late)
            if spec.batching is None
            else BatchSlots(spec.batching, fleet, self.queue, self.attempts, alarm, self.late)
        )
        self.size = Size(fleet, self._scaler, self.queue, self.isolation, self.attempts, alarm)
        self.admission = Admission(self.queue, fleet)
        self.unserved = Unserved(fleet, self.size, self.queue, self.isolation, self.queue_times, self.endings, alarm)
        self.losses = Losses(
            fleet, self.slots, self.attempts, self.isolation, self.endings, self.unserved, self.earlier
        )
        self.interruptions = Interruptions(
            fleet, self.slots, self.attempts, self.queue, self.isolation, self.endings, self.losses
        )
        self.standstill = Standstill(fleet, self.slots, self.deadlines)

    @property
    def waiting(self) -> int:
        """How many inputs wait for a slot."""
        return self.queue.count + len(self.isolation)

    @property
    def running(self) -> int:
        """How many inputs run."""
        return self.attempts.running

    @property
    def running_inputs(self) -> Iterable[Input]:
        """The inputs that run."""
        return self.deadlines.running

    # --- inputs come, and get slots -----------------------------------------------------------------------------------

    def submit(self, items: Sequence[Input]) -> None:
        """New inputs of one call."""
        self._scaler.came(len(items))
        if items and items[0].call.parent_input_id is not None:
            self.size.called_by_a_container()
        self.slots.queue(items)
        if self.spec.queue_timeout is not None:
            self.unserved.came(items)

    def retry_due(self, item: Input) -> None:
        """An input that was to be tried again later waits from now on."""
        item.move("due")
        self.slots.queue([item])

    def pump(self, turn: Turn) -> None:
        """Give waiting inputs to slots, and scale. Cases, in this order:

        1. a group of suspects gets a container of its own;
        2. a container below its target takes inputs until it is there, the fullest first;
        3. what is left calls for containers, which start at once;
        4. meanwhile, or if there may be no more, containers above target take inputs up to `max_inputs`, the
           emptiest first;
        5. the rest waits, bound to no container.

        Every turn in which something happened to the pool ends with this, so what is hardly ever there is asked for by
        attributes, without a call.
        """
        if self.unserved.may_be and self.unserved.settle(turn):
            return
        slots, fleet, isolation = self.slots, self.fleet, self.isolation
        alone = 0
        if isolation.groups or isolation.set_aside:
            for group, container in isolation.placed():
                slots.deliver_group(group, container, turn)
            isolation.release()
            alone = isolation.demand
        beside = alone + fleet.out_of_reach if fleet.held_up else alone
        waiting = slots.fill(turn)
        index = fleet.index
        taken = waiting + (index.load if not index.lowered else index.taken(fleet.target_inputs))
        active = bool(taken or beside or self.attempts.running)
        self.size.scale(Demand(taken, beside, active, slots.unit, waiting), turn)
        if alone and not self.size.growing:
            isolation.reserve()
        if waiting:
            slots.burst(turn)

    # --- attempts end, containers come --------------------------------------------------------------------------------

    def finished(self, container: Container, ends: list[AttemptEnd], turn: Turn) -> None:
        """Outcomes from a container."""
        if self.earlier.are_any:
            self.earlier.finished(container, ends)
        if count := self.slots.finished(container, ends, turn):
            self.admission.pace.ended(count, turn.now)
            self.fleet.unloaded(container, turn)

    def became_ready(self, container: Container, turn: Turn) -> None:
        """A container may be given attempts."""
        self._scaler.started(turn.now - container.started_at)
        self.fleet.became_ready(container, turn)
        if self.unserved.watched:
            turn.commands.append(ReportWarm(self.function_id))

    def start_failed(self, container: Container, failure: bytes, turn: Turn) -> None:
        """A container will not serve: the user's module or enter hook raised, or it took too long."""
        self.fleet.failed_to_start(container, turn)
        self.unserved.tell(failure, turn)

    # --- what began before the server did -------------------------------------------------------------------------------

    def resumed(self, event: ContainerResumed, turn: Turn) -> None:
        """A container is here that a server before this one had started."""
        container = self.fleet.resume(event, turn)
        running = self.slots.resumed(container, event.running, turn.now)
        self.size.resumed(container, event.gpus)
        self.fleet.resumed(container, turn)
        for held in running:
            if held.cancelled or held.cut:
                self.slots.let_go(held, container, "it was cancelled", turn)
        self._tell_cut(container, [*running, *(held for held, _ in event.ended)], turn)
        for holder, held in self.earlier.add(container, running, event.ended, turn.now):
            self._let_go(holder, held, "a later attempt at it runs", turn)

    def _tell_cut(self, container: Container, held: Iterable[HeldAttempt], turn: Turn) -> None:
        """Streams and requests have ended with the server before this one, which could not tell of it."""
        if turn.records is None:
            return
        for each in held:
            if each.cut:
                why = self.endings.failure(ConnectionError("the server was gone while this was under way"))
                turn.records.cut(self.function_id, container.container_id, each, why)

    def rejoin(self, items: Sequence[Input], turn: Turn) -> None:
        """New inputs that run, or have ended, already: see `EarlierAttempts.has`."""
        self._scaler.came(len(items))
        for item in items:
            if (running := self.earlier.take_running(item)) is not None:
                self.attempts.rejoin(item, running, turn.now)
                self.slots.rejoin(item, running.container)
            elif (ended := self.earlier.take_ended(item)) is not None:
                earlier, end = ended
                self.attempts.rejoin(item, earlier, turn.now)
                self.attempts.finished(item, end, turn)

    def tried_since(self, call_id: str, index: int, attempt: int, turn: Turn) -> None:
        """An input was to be tried again after this attempt, which may be one of those from before."""
        for container, held in self.earlier.tried_since(call_id, index, attempt):
            self._let_go(container, held, "it was to be tried again", turn)

    def _give_up_unclaimed(self, turn: Turn) -> None:
        for container, held in self.earlier.unclaimed(turn.now):
            self._let_go(container, held, "nobody has submitted it again since the server has started again", turn)

    def _let_go(self, container: Container, held: HeldAttempt, reason: str, turn: Turn) -> None:
        slots = self.slots.let_go(held, container, reason, turn)
        if slots and container.state is not STOPPING:
            turn.commands.append(CancelAttempts(container.container_id, slots))

    # --- time, and the end --------------------------------------------------------------------------------------------

    def tick(self, turn: Turn) -> None:
        """An alarm of this pool rang: look at every deadline that may have passed."""
        for item in self.deadlines.late(turn.now):
            if turn.room <= 0:
                self.alarm.set(turn.now)
                break
            turn.spend(1)
            self.interruptions.time_out(item, turn)
        if self.unserved.may_be:
            self.unserved.settle(turn)
        if self.earlier.are_any:
            self._give_up_unclaimed(turn)
        for attempt, container in self.attempts.not_let_go(turn.now):
            self.fleet.give_up(container, attempt, turn)
        for container, cause, what in self.fleet.graces.overstayed(turn.now):
            self.losses.evict(container, cause, f"{what} for too long", turn, kill=True)
        for container in self.fleet.graces.starts.overdue(turn.now):
            text = f"a container did not start within startup_timeout={self.spec.startup_timeout:g} s"
            self.start_failed(container, self.endings.failure(FunctionTimeoutError(text)), turn)
        for container in self.fleet.graces.overdue_stops(turn.now):
            self.fleet.kill(container, "did not stop in time", turn)

    def is_unused(self, retirement: Retirement, turn: Turn) -> bool:
        """Whether this variant has been idle for so long that it goes. Its last containers, if it keeps any, go before."""
        busy = self._scaler.submitted > sum(self.endings.counts.values())
        due_at = retirement.due_at(busy, self.size.settings.scaledown_window, turn.now)
        if due_at is not None and due_at > turn.now:
            self.alarm.set(due_at)
        elif due_at is not None and not self.fleet.containers:
            return True
        elif due_at is not None and retirement.when == "when idle":
            self.close(self.fleet.host.limits.stop_grace, "nobody used this variant for a while", turn)
        return False

    def warm(self, containers: int, *, replaces: bool = False) -> None:
        """Keep so many, whoever calls; 0: as many as its bounds say. `replaces`: see `FunctionWarmed`."""
        self.unserved.watch(containers > 0)
        self.size.at_least(containers, replaces=replaces)

    def retire(self) -> None:
        """What it holds ends, and no container is kept for what may come."""
        self.is_retired = True
        self.size.keep_none()

    @property
    def holds_any(self) -> bool:
        """Whether a container of it holds an attempt, if only one that was cancelled and has not been let go of, or one began
        before this server and may be asked for."""
        if self.attempts.running > 0 or self.earlier.are_any:
            return True
        return any(it.running for it in self.fleet.containers.values())

    def close(self, grace: float, reason: str, turn: Turn) -> None:
        """Its inputs have been cancelled, or there are none; its containers go, and nothing starts any more."""
        self.closed = True  # first, so that nothing below gives anything to a slot
        self.unserved.close()
        self.size.close()
        self.fleet.close(grace, reason, turn)
