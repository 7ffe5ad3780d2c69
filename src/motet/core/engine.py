"""The engine: events in, commands out. Everything Motet decides is decided here, from values alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from motet.core import events as e
from motet.core import streams
from motet.core.autoscaler import Policy
from motet.core.backlog import Backlog, Why
from motet.core.batched_pool import BatchedPool
from motet.core.commands import Command, ReportAppStopped, ReportFunctionRetired, WakeAt
from motet.core.feeds import MAX_AHEAD_BYTES
from motet.core.fleet import Fleet
from motet.core.host import DEFAULT_LIMITS, Host, HostLimits
from motet.core.inputs import DELAYED, Call, Input
from motet.core.inspection import Inspection
from motet.core.policies import POLICIES
from motet.core.pool import Pool
from motet.core.retirement import Retirement
from motet.core.scaler import Scaler
from motet.core.services import EncodeFailure, Services
from motet.core.submissions import made_by, new_call, refuse
from motet.core.turn import INPUTS_PER_TURN, Turn
from motet.core.view import what_keeps
from motet.errors import CallerCancelled
from motet.model.ids import numbered_suffix
from motet.model.outcome import CallKind, OutcomeKind


class Engine(Inspection):
    """All pools, calls and containers of one server.

    Pure: time comes in as `now` (seconds on any clock that does not go back), ids from `id_base` and a counter, the
    form of failures from `failure`. `policy` says how many containers pools should have. What ends many inputs at one moment
    (a cancellation, a stop, a deadline) is spread over turns of `inputs_per_turn` each. Not thread-safe: one owner calls
    `handle`.
    """

    def __init__(
        self,
        *,
        failure: EncodeFailure,
        id_base: str = "",
        limits: HostLimits = DEFAULT_LIMITS,
        policy: Policy = POLICIES["motet"],
        inputs_per_turn: int = INPUTS_PER_TURN,
    ) -> None:
        super().__init__(Host(limits))
        self._failure = failure
        self._policy = policy
        self._inputs_per_turn = inputs_per_turn
        self._id_base = id_base
        self._container_numbers = itertools.count(1)
        self._attempt_numbers = itertools.count(1)
        self._stopping_apps: set[str] = set()
        self._wake_at: float | None = None
        self._backlog = Backlog(self._cancel, lambda call, turn: self._pools[call.function_id].end_some(call, turn))
        self._handlers: dict[type[e.Event], Callable[[Any, Turn], None]] = {
            e.FunctionAdded: self._function_added,
            e.FunctionWanted: self._function_wanted,
            e.AppStopped: self._app_stopped,
            e.InputsSubmitted: self._inputs_submitted,
            e.CallCancelled: self._call_cancelled,
            e.ClientLost: self._client_lost,
            e.ItemsTaken: self._items_taken,
            e.InputFed: self._input_fed,
            e.FeedTaken: self._feed_taken,
            e.AutoscalerChanged: self._autoscaler_changed,
            e.ContainerReady: self._container_ready,
            e.ContainerFailed: self._container_failed,
            e.ContainerEnded: self._container_ended,
            e.ContainerBlocked: self._container_blocked,
            e.ContainerUnblocked: self._container_unblocked,
            e.ContainerFrozen: self._container_frozen,
            e.ContainerThawed: self._container_thawed,
            e.ContainerStoodStill: self._container_stood_still,
            e.ServerStoodStill: self._server_stood_still,
            e.InputsLimited: self._inputs_limited,
            e.DrainAsked: self._drain_asked,
            e.ContainerStopAsked: self._container_stop_asked,
            e.AttemptsFinished: self._attempts_finished,
            e.ItemsYielded: self._items_yielded,
            e.GpusFound: self._gpus_found,
            e.TimerFired: self._timer_fired,
        }

    def handle(self, events: Iterable[e.Event], now: float, *, records: bool = False) -> list[Command]:
        """Take in what happened, in order; return what to do, in order. Never waits. With `records` the commands tell of calls
        that are made and inputs that end, too, for whoever counts or keeps them."""
        turn = Turn(now, records, self._inputs_per_turn)
        for event in events:
            self._handlers[type(event)](event, turn)
        if turn.orphaned:
            self._cancel_children(turn)
        # What is left of earlier turns has turns of its own: others must not pay for it with every event.
        if self._backlog.groups and (self._backlog.is_new or self._wake_at is None):
            self._end_cancelled(turn)
            for app_id in list(self._stopping_apps):
                self._report_if_stopped(app_id, turn)
        for pool in turn.pools:
            if not pool.closed:
                if pool.fleet.gpu and (reason := pool.size.refusal):
                    pool.unserved.refuse(reason, turn)
                pool.pump(turn)
                if pool.retirement is not None and pool.is_unused(pool.retirement, turn):
                    self._retire(pool, turn)
        self._host.start_next(turn)
        commands = turn.finish()
        wake_at = now if self._backlog.groups else self._timers.next
        if wake_at is not None and wake_at != self._wake_at:
            self._wake_at = wake_at
            commands.append(WakeAt(wake_at))
        return commands

    # --- declarations -------------------------------------------------------------------------------------------------

    def _function_added(self, event: e.FunctionAdded, turn: Turn) -> None:
        if event.function_id in self._pools or event.app_id in self._stopping_apps:
            return

        def alarm(deadline: float) -> None:
            self._timers.set_alarm(pool, deadline)

        def new_container_id() -> str:
            container_id = "ta-" + numbered_suffix(self._id_base, next(self._container_numbers))
            self._pool_of_container[container_id] = pool
            return container_id

        fleet = Fleet(event.function_id, event.spec, self._host, new_container_id, alarm)
        pool = (Pool if event.spec.batching is None else BatchedPool)(
            event.app_id,
            fleet,
            Scaler(self._policy, fleet.max_inputs, fleet.target_inputs, alarm),
            Services(
                attempts=self._attempt_numbers,
                failure=self._failure,
                retry_at=self._timers.set_retry,
                alarm=alarm,
                forget=self._calls.forget,
                waits_for=lambda input_id: what_keeps(self._calls.of_input(input_id), self._pools),
            ),
        )
        self._pools[event.function_id] = pool
        if event.retires != "never":
            pool.retirement = Retirement(event.retires, turn.now)
        turn.pools[pool] = None
        if pool.fleet.gpu:
            self._host.devices.look(turn)

    def _function_wanted(self, event: e.FunctionWanted, turn: Turn) -> None:
        pool = self._pools.get(event.function_id)
        if pool is not None and pool.retirement is not None:
            pool.retirement.wanted(event.retires, turn.now)
            turn.pools[pool] = None

    def _retire(self, pool: Pool, turn: Turn) -> None:
        self._forget(pool)
        turn.commands.append(ReportFunctionRetired(pool.fleet.function_id))

    def _forget(self, pool: Pool) -> None:
        del self._pools[pool.fleet.function_id]
        self._calls.forget_function(pool.fleet.function_id)
        self._timers.forget(pool)
        self._host.leave(pool.size)

    def _app_stopped(self, event: e.AppStopped, turn: Turn) -> None:
        self._stopping_apps.add(event.app_id)
        pools = self._pools_of(event.app_id)
        ids = {pool.fleet.function_id for pool in pools}
        for function_id in ids:
            self._backlog.add(self._calls.of_function(function_id), Why(f"the app {event.app_id} stopped"))
        self._end_cancelled(turn)  # now: then most containers hold nothing when they are stopped
        for pool in pools:
            pool.close(event.grace, turn)
        self._report_if_stopped(event.app_id, turn)

    def _autoscaler_changed(self, event: e.AutoscalerChanged, turn: Turn) -> None:
        pool = self._pools.get(event.function_id)
        if pool is not None:  # its app may have stopped meanwhile
            pool.size.change(event.settings)
            turn.pools[pool] = None

    def _gpus_found(self, event: e.GpusFound, turn: Turn) -> None:
        self._host.devices.found(event.found)
        self._host.devices_changed()
        turn.pools.update((pool, None) for pool in self._pools.values() if pool.fleet.gpu)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _inputs_submitted(self, event: e.InputsSubmitted, turn: Turn) -> None:
        known = self._calls.get(event.call_id)
        call = new_call(event) if known is None else known
        pool = self._pools.get(call.function_id)
        if pool is None or pool.closed or call.cancelled is not None or (known and not made_by(known, event)):
            refuse(call, event, None if pool is None else pool.spec.name, self._failure, turn)
            return
        # Spawned inputs were let in together by whoever asked `refusal` before this event.
        room = pool.admission.room(call.kind) if call.kind is not CallKind.SPAWNED else len(event.inputs)
        items: list[Input] = []
        refused: list[int] = []
        for new in event.inputs:
            if new.index in call.inputs:  # a client that sends one twice still gets one outcome
                continue
            if len(items) < room:
                item = call.inputs[new.index] = Input(call, new.index, new.payload, turn.now)
                items.append(item)
            else:
                refused.append(new.index)
        pool.submit(items)
        if refused and (full := pool.admission.refusal(call.kind)):
            turn.refuse(call, refused, OutcomeKind.REFUSED, self._failure(full))
        if known is None:
            if turn.recording:
                turn.record_call(call)
            if call.inputs:
                self._calls.add(call)
        turn.pools[pool] = None

    def _owned(self, call_id: str, by: int | None) -> Call | None:
        """An unfinished call, if it belongs to this principal; None may reach for any."""
        call = self._calls.get(call_id)
        return call if call is not None and (by is None or by == call.principal) else None

    def _call_cancelled(self, event: e.CallCancelled, turn: Turn) -> None:
        call = self._owned(event.call_id, event.by)
        if call is not None:
            self._end_call(call, Why(event.reason, event.terminate_containers), turn)

    def _client_lost(self, event: e.ClientLost, turn: Turn) -> None:
        self._backlog.add(self._calls.lost(event.client), Why("its caller is gone"))

    def _end_call(self, call: Call, why: Why, turn: Turn) -> None:
        self._cancel(call, why, turn)
        self._backlog.add({call: None}, why)

    def _cancel(self, call: Call, why: Why, turn: Turn) -> None:
        pool = self._pools[call.function_id]
        turn.pools[pool] = None
        pool.cancel(call, why.reason, why.error, terminate=why.terminate)

    def _end_cancelled(self, turn: Turn) -> None:
        """End what was cancelled and has not ended, as far as this turn has room for it."""
        self._backlog.work(turn)
        while turn.orphaned:
            self._cancel_children(turn)
            self._backlog.work(turn)

    def _cancel_children(self, turn: Turn) -> None:
        """Inputs were given up while they ran: the calls they wait for are, too, and theirs. Spawned ones go their own way."""
        for input_id, reason in turn.orphaned:
            calls = self._calls.take_of_input(input_id)
            why = Why(f"{input_id}, which called it, was given up: {reason}", error=CallerCancelled)
            self._backlog.add(calls, why)
        turn.orphaned.clear()

    def _items_taken(self, event: e.ItemsTaken, turn: Turn) -> None:
        call = self._owned(event.call_id, event.by)
        if call and (item := call.inputs.get(event.index)):
            streams.taken(item, event.count, turn)

    def _input_fed(self, event: e.InputFed, turn: Turn) -> None:
        call = self._owned(event.call_id, event.by)
        item = call.inputs.get(event.index) if call else None
        if call is None or item is None or self._pools[call.function_id].feeds.feed(item, event.items, turn):
            return
        self._end_call(call, Why(f"it was sent more than {MAX_AHEAD_BYTES // 2**20} MiB ahead of what it takes"), turn)

    # --- containers ---------------------------------------------------------------------------------------------------

    def _container_ready(self, event: e.ContainerReady, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None and container.state == "starting":
            pool.became_ready(container, turn)
            turn.pools[pool] = None

    def _container_failed(self, event: e.ContainerFailed, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None and container.state == "starting":
            pool.start_failed(container, event.failure, turn)
            turn.pools[pool] = None

    def _container_ended(self, event: e.ContainerEnded, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is None or container is None:
            return
        del self._pool_of_container[event.container_id]
        pool.container_ended(container, event.description, turn, blameless=event.blameless)
        turn.pools[pool] = None
        if pool.closed and pool.app_id not in self._stopping_apps and not pool.fleet.containers:
            self._retire(pool, turn)
        elif pool.closed:
            self._report_if_stopped(pool.app_id, turn)

    def _container_blocked(self, event: e.ContainerBlocked, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None and container.state != "starting":
            pool.blocked(container, event.seen, event.not_begun, turn)
            turn.pools[pool] = None

    def _container_unblocked(self, event: e.ContainerUnblocked, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None and container.blocked:
            pool.fleet.unblocked(container, turn)
            turn.pools[pool] = None

    def _container_frozen(self, event: e.ContainerFrozen, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None:
            pool.standstill.froze(container, turn)
            turn.pools[pool] = None

    def _container_thawed(self, event: e.ContainerThawed, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None:
            pool.standstill.thawed(container, turn)
            turn.pools[pool] = None

    def _container_stood_still(self, event: e.ContainerStoodStill, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None:
            pool.standstill.stood_still(container, event.seconds, turn.now)

    def _server_stood_still(self, event: e.ServerStoodStill, turn: Turn) -> None:
        for pool in self._pools.values():
            pool.standstill.served_nothing(event.seconds)

    def _inputs_limited(self, event: e.InputsLimited, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None:
            pool.fleet.limit(container, event.limit)
            turn.pools[pool] = None

    def _drain_asked(self, event: e.DrainAsked, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is None or container is None:
            return
        reason = "it was told to end (SIGTERM)" if event.preempted else "it asked for no more inputs"
        pool.fleet.drain(container, reason, turn, hurry=event.preempted)
        turn.pools[pool] = None

    def _container_stop_asked(self, event: e.ContainerStopAsked, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is None or container is None or container.state == "stopping":
            return
        if event.graceful:
            pool.fleet.drain(container, "an operator stopped it", turn)
        else:
            deaf = container.state in ("starting", "frozen")
            pool.evict(container, "an operator stopped it", turn, kill=deaf)
        turn.pools[pool] = None

    def _attempts_finished(self, event: e.AttemptsFinished, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None:
            pool.finished(container, event.attempts, turn)
            turn.pools[pool] = None

    def _items_yielded(self, event: e.ItemsYielded, turn: Turn) -> None:
        _, container = self._find(event.container_id)
        if container is not None:
            streams.yielded(container, event.attempt, event.items, turn)

    def _feed_taken(self, event: e.FeedTaken, turn: Turn) -> None:
        pool, container = self._find(event.container_id)
        if pool is not None and container is not None:
            pool.feeds.taken(container.running.get(event.attempt), event.count)
            streams.feed_taken(container, event.attempt, event.count, turn)

    def _report_if_stopped(self, app_id: str, turn: Turn) -> None:
        pools = self._pools_of(app_id)
        busy = any(pool.fleet.containers or self._calls.of_function(pool.fleet.function_id) for pool in pools)
        if app_id in self._stopping_apps and not busy:
            self._stopping_apps.discard(app_id)
            for pool in pools:
                self._forget(pool)
            turn.commands.append(ReportAppStopped(app_id))

    # --- time ---------------------------------------------------------------------------------------------------------

    def _timer_fired(self, event: e.TimerFired, turn: Turn) -> None:
        self._wake_at = None
        for what in list(self._timers.due(turn.now)):  # what is put off to the next turn is due now, too
            if isinstance(what, Input):
                self._retry_due(what, turn)
            else:
                what.tick(turn)
                turn.pools[what] = None

    def _retry_due(self, item: Input, turn: Turn) -> None:
        if item.state is DELAYED and item.call.cancelled is None:
            pool = self._pools[item.call.function_id]
            item.move("due")
            pool.add(item)
            turn.pools[pool] = None
