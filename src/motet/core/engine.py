"""The engine: events in, commands out. Everything Motet decides is decided here, from values alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

from motet.core import events as e
from motet.core import promises
from motet.core.autoscaler import Policy
from motet.core.backlog import Backlog, Why
from motet.core.call_events import CallEvents
from motet.core.commands import Command, ReportAppStopped, ReportFunctionRetired, WakeAt
from motet.core.container_events import CHANGES, PASSES, ContainerEvents
from motet.core.host import DEFAULT_LIMITS, HostLimits
from motet.core.host_events import HostEvents
from motet.core.inputs import DELAYED, Input
from motet.core.inspection import Inspection
from motet.core.policies import POLICIES
from motet.core.pool import Pool
from motet.core.restoring import Restoring
from motet.core.retirement import Retirement
from motet.core.services import EncodeFailure, Services
from motet.core.state import State
from motet.core.turn import INPUTS_PER_TURN, Turn


class Engine:
    """All pools, calls and containers of one server; `inspection` is for those who look at them.

    Pure: time comes in as `now` (seconds on any clock that does not go back), ids from `id_base` and a counter, the
    form of failures from `failure`. `policy` says how many containers pools should have. What ends many inputs at one moment
    (a cancellation, a stop, a deadline) is spread over turns of `inputs_per_turn` each. Attempts are numbered from
    `first_attempt`, which is more than any that a container may have from a server before this one. Not thread-safe: one owner
    calls `handle`.
    """

    def __init__(
        self,
        *,
        failure: EncodeFailure,
        id_base: str = "",
        limits: HostLimits = DEFAULT_LIMITS,
        policy: Policy = POLICIES["motet"],
        inputs_per_turn: int = INPUTS_PER_TURN,
        first_attempt: int = 1,
    ) -> None:
        self.state = state = State(limits, id_base)
        self.inspection = Inspection(state)
        self._pools = state.pools
        self._timers = state.timers
        self._inputs_per_turn = inputs_per_turn
        self._services = Services(
            attempts=itertools.count(first_attempt),
            failure=failure,
            policy=policy,
            host=state.host,
            shares=state.shares,
            roster=state.containers,
            timers=state.timers,
            calls=state.calls,
            waits_for=state.what_keeps,
        )
        self._stopping_apps: set[str] = set()
        self._retired_apps: dict[str, float] = {}
        """Those that stop when nothing of them is left, with the grace that their containers have then."""
        self._wake_at: float | None = None
        self._backlog = Backlog(state)
        calls, containers = CallEvents(state, self._backlog, failure), ContainerEvents(state)
        self._handlers: dict[type[e.Event], Callable[[Any, Turn], None]] = {
            e.FunctionAdded: self._function_added,
            e.PrincipalLimited: self._principal_limited,
            e.AppOwned: self._app_owned,
            e.FunctionWanted: self._function_wanted,
            e.FunctionWarmed: self._function_warmed,
            e.AppReleased: self._app_released,
            e.AppStopped: self._app_stopped,
            e.AppRetired: self._app_retired,
            e.AutoscalerChanged: self._autoscaler_changed,
            e.GpusFound: self._gpus_found,
            e.ServerStoodStill: self._server_stood_still,
            e.TimerFired: self._timer_fired,
            e.InputsSubmitted: calls.submitted,
            e.InputsRestored: Restoring(state, failure).restored,
            e.CallCancelled: calls.cancelled,
            e.ArgumentsRead: calls.arguments_read,
            e.ClientLost: calls.client_lost,
            e.ItemsTaken: calls.items_taken,
            e.InputFed: calls.fed,
            e.AttemptsFinished: containers.finished,
            e.ContainerResumed: containers.resumed,
            e.SandboxStarted: state.sandboxes.started,
            **HostEvents(state).handlers,
            e.SandboxGone: self._sandbox_gone,
            **dict.fromkeys(CHANGES, containers.changes),
            **dict.fromkeys(PASSES, containers.passes),
        }

    def handle(self, events: Iterable[e.Event], now: float, *, records: bool = False) -> list[Command]:
        """Take in what happened, in order; return what to do, in order. Never waits. With `records` the commands tell of calls
        that are made and inputs that end, too, for whoever counts or keeps them."""
        turn = Turn(now, records, self._inputs_per_turn)
        for event in events:
            self._handlers[type(event)](event, turn)
        if turn.orphaned:
            self._backlog.add_children(turn)
        # What is left of earlier turns has turns of its own: others must not pay for it with every event.
        if self._backlog.groups and (self._backlog.is_new or self._wake_at is None):
            self._backlog.work(turn)
        for pool in turn.pools:
            if pool.closed:
                self._forget_if_gone(pool, turn)
                continue
            if pool.fleet.gpu and (reason := pool.size.refusal):
                pool.unserved.refuse(reason, turn)
            pool.pump(turn)
            if pool.retirement is not None and pool.is_unused(pool.retirement, turn):
                self._retire(pool, turn)
        if self._retired_apps:
            self._stop_retired(turn)
        self.state.host.start_next(turn)
        commands = turn.finish()
        wake_at = now if self._backlog.groups else self._timers.next
        if wake_at is not None and wake_at != self._wake_at:
            self._wake_at = wake_at
            commands.append(WakeAt(wake_at))
        return commands

    @property
    def has_backlog(self) -> bool:
        """Whether inputs of calls that nobody wants are still to be ended, which further turns do."""
        return bool(self._backlog.groups)

    def check(self) -> None:
        """Raise `InternalError` unless everything that the engine promises holds. For tests: it looks at everything."""
        promises.check(self.state)

    # --- functions come, change and go --------------------------------------------------------------------------------

    def _function_added(self, event: e.FunctionAdded, turn: Turn) -> None:
        if event.function_id in self._pools or event.app_id in self._stopping_apps:
            return
        retirement = None if event.retires == "never" else Retirement(event.retires, turn.now)
        what = event.app_id, event.function_id, event.spec, self._services, retirement
        pool = Pool(*what, own_host=event.own_host, bundle=event.bundle)
        self._pools[event.function_id] = pool
        pool.size.hold(event.held)
        if event.app_id in self._retired_apps:
            pool.retire()
        turn.changed(pool)
        if pool.fleet.gpu and self.state.host.limits.own:
            self.state.host.devices.look(turn)

    def _principal_limited(self, event: e.PrincipalLimited, turn: Turn) -> None:
        self.state.shares.limit(event.principal, event.name, event.quota)

    def _app_owned(self, event: e.AppOwned, turn: Turn) -> None:
        self.state.shares.own(event.app_id, event.name, event.principal, event.quota)

    def _function_wanted(self, event: e.FunctionWanted, turn: Turn) -> None:
        pool = self._pools.get(event.function_id)
        if pool is not None and pool.retirement is not None:
            pool.retirement.wanted(event.retires, turn.now)
            turn.changed(pool)

    def _function_warmed(self, event: e.FunctionWarmed, turn: Turn) -> None:
        pool = self._pools.get(event.function_id)
        if pool is not None and not pool.is_retired:
            pool.warm(event.containers, replaces=event.replaces)
            turn.changed(pool)

    def _app_released(self, event: e.AppReleased, turn: Turn) -> None:
        for pool in self.state.pools_of(event.app_id):
            pool.size.hold(False)
            turn.changed(pool)

    def _autoscaler_changed(self, event: e.AutoscalerChanged, turn: Turn) -> None:
        pool = self._pools.get(event.function_id)
        if pool is not None and not pool.is_retired:  # its app may have stopped meanwhile
            pool.size.change(event.settings)
            turn.changed(pool)

    def _gpus_found(self, event: e.GpusFound, turn: Turn) -> None:
        self.state.host.devices.found(event.found)
        self.state.host.room_changed()
        for pool in self._pools.values():
            if pool.fleet.gpu:
                turn.changed(pool)

    def _app_stopped(self, event: e.AppStopped, turn: Turn) -> None:
        why = Why(f"the app {event.app_id} stopped")
        for pool in self.state.pools_of(event.app_id):
            if event.leaves_spawned:
                pool.interruptions.leave(self.state.calls.take_spawned(pool.function_id), why.reason, why.error, turn)
            self._backlog.add(self.state.calls.of_function(pool.function_id), why)
        self._backlog.work(turn)  # now: then most containers hold nothing when they are stopped
        self._close(event.app_id, event.grace, "app stopped", turn)

    def _close(self, app_id: str, grace: float, reason: str, turn: Turn) -> None:
        self._stopping_apps.add(app_id)  # no function of it is added any more
        self._retired_apps.pop(app_id, None)
        for pool in self.state.pools_of(app_id):
            pool.close(grace, reason, turn)
        self._report_if_stopped(app_id, turn)

    def _app_retired(self, event: e.AppRetired, turn: Turn) -> None:
        if event.app_id in self._stopping_apps:
            return
        self._retired_apps[event.app_id] = event.grace
        pools = self.state.pools_of(event.app_id)
        for pool in pools:
            pool.retire()
            turn.changed(pool)
        if not pools:
            self._close(event.app_id, event.grace, "", turn)

    def _stop_retired(self, turn: Turn) -> None:
        """Have those apps stop of which this turn has seen the last input end."""
        changed = dict.fromkeys(pool.app_id for pool in turn.pools if pool.is_retired and not self._is_busy(pool))
        for app_id in changed:
            if app_id in self._retired_apps and not any(map(self._is_busy, self.state.pools_of(app_id))):
                self._close(app_id, self._retired_apps[app_id], "another version has taken its place", turn)

    def _is_busy(self, pool: Pool) -> bool:
        return pool.holds_any or bool(self.state.calls.of_function(pool.function_id))

    def _forget_if_gone(self, pool: Pool, turn: Turn) -> None:
        """A closed pool goes with its last container, or with that of its app if that is stopped."""
        if pool.fleet.containers or pool.function_id not in self._pools:
            return
        if pool.app_id in self._stopping_apps:
            self._report_if_stopped(pool.app_id, turn)
        else:
            self._retire(pool, turn)

    def _report_if_stopped(self, app_id: str, turn: Turn) -> None:
        pools = self.state.pools_of(app_id)
        busy = any(pool.fleet.containers or self.state.calls.of_function(pool.function_id) for pool in pools)
        if app_id in self._stopping_apps and not busy and not self.state.sandboxes.has(app_id):
            self._stopping_apps.discard(app_id)
            for pool in pools:
                self._forget(pool)
            self.state.shares.forget_app(app_id)
            turn.commands.append(ReportAppStopped(app_id))

    def _sandbox_gone(self, event: e.SandboxGone, turn: Turn) -> None:
        self._report_if_stopped(self.state.sandboxes.gone(event), turn)

    def _retire(self, pool: Pool, turn: Turn) -> None:
        self._forget(pool)
        turn.commands.append(ReportFunctionRetired(pool.function_id))

    def _forget(self, pool: Pool) -> None:
        del self._pools[pool.function_id]
        self.state.calls.forget_function(pool.function_id)
        self.state.host.leave(pool.size)
        pool.alarm.let_go()

    # --- time ---------------------------------------------------------------------------------------------------------

    def _timer_fired(self, event: e.TimerFired, turn: Turn) -> None:
        self._wake_at = None  # the timer is spent, also if it rang early: whatever is due next is asked for anew
        for what in list(self._timers.due(turn.now)):  # what is put off to the next turn is due now, too
            if isinstance(what, Input):
                self._retry_due(what, turn)
            else:
                what.tick(turn)
                turn.changed(what)

    def _retry_due(self, item: Input, turn: Turn) -> None:
        if item.state is DELAYED and item.call.cancelled is None:
            pool = self._pools[item.call.function_id]
            pool.retry_due(item)
            turn.changed(pool)

    def _server_stood_still(self, event: e.ServerStoodStill, turn: Turn) -> None:
        for pool in self._pools.values():  # no input could be given to a container meanwhile
            pool.queue_times.postpone(event.seconds)
