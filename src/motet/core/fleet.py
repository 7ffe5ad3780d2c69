"""The containers of one pool: starting them when there is work, stopping them when there is not."""

from __future__ import annotations

from collections.abc import Callable

from motet.core import containers as states
from motet.core.autoscaler import NOTHING, Demand, Policy, containers_for, most_containers
from motet.core.commands import KillContainer, StartContainer, StopContainer
from motet.core.containers import Container
from motet.core.host import Host, HostLimits
from motet.core.router import LoadIndex
from motet.core.scaler import Scaler
from motet.core.start_failures import StartFailures
from motet.core.turn import Turn
from motet.errors import InternalError
from motet.model.function import FunctionSpec
from motet.model.scaling import AutoscalerSettings


class Fleet:
    """Holds every container of the pool that has not ended, and the index of those that may be given attempts.

    Scales at once when asked: `scale` is called after every change. `alarm` is how it asks to be called again later.
    """

    def __init__(
        self,
        function_id: str,
        spec: FunctionSpec,
        host: Host,
        new_id: Callable[[], str],
        alarm: Callable[[float], None],
        policy: Policy,
    ) -> None:
        self.function_id = function_id
        self.spec = spec
        self.settings = spec.autoscaler
        self.gpu = spec.resources.gpu
        single = spec.single_use_containers
        self.max_inputs = 1 if single else spec.concurrency.max_inputs
        self.target_inputs = 1 if single else spec.concurrency.target_inputs
        self.containers: dict[str, Container] = {}
        self.index = LoadIndex(self.max_inputs)
        self.scaler = Scaler(policy, self.max_inputs, self.target_inputs, alarm)
        self.decision = NOTHING
        self.live = 0
        """Containers that are starting or ready: those that count towards the desired number."""
        self.starting = 0
        self.started_total = 0
        self.peak = 0
        self.start_failures = StartFailures()
        self.wanted = 0
        """Containers to start as soon as the host lets us."""
        self._host = host
        self._new_id = new_id
        self._alarm = alarm
        self._lacks = False
        """Inputs want more containers than there are, as opposed to a buffer or a minimum."""
        self._closing_deadline: float | None = None

    # --- size ---------------------------------------------------------------------------------------------------------

    def change(self, settings: AutoscalerSettings) -> None:
        """Other bounds from now on; `scale` applies them."""
        self.settings = settings
        self._host.devices.unsettled = True  # it may have containers to spare now

    def scale(self, demand: Demand, turn: Turn) -> None:
        """Ask for the containers that `demand` calls for; stop what is idle beyond the window or beyond the limit."""
        if self._closing_deadline is not None:
            return
        live = self.live
        decision = self.decision = self.scaler.decide(
            demand, live, self.starting, self.settings, self._most_containers, turn.now
        )
        if self.gpu:
            self._scale_on_devices(turn)
        if live < decision.desired or self.wanted:
            self._want(self._startable(demand, turn))
        if live > decision.desired:
            if live > decision.limit:
                self._shed(decision.limit, f"max_containers={decision.limit}", turn)
            elif decision.decision.drains:
                self._shed(decision.desired, decision.reason, turn)
            self._stop_idle(turn)

    def _startable(self, demand: Demand, turn: Turn) -> int:
        """How many containers to start now. Those on their way out count until they are gone."""
        count = min(self.decision.desired - self.live, self.decision.limit - len(self.containers))
        if count <= 0 or not self.start_failures.count:
            return max(count, 0)
        # The code fails to start. Whoever waits where nothing serves has come since (the others were told): probe for
        # it at once, one container at a time. Those with a ready container, and min_containers, wait out the backoff.
        untold = (demand.inputs or demand.alone) and not self.serves
        if not untold and turn.now < self.start_failures.pause_until:
            self._alarm(self.start_failures.pause_until)
            return 0
        return min(count, 1) if not self.starting else 0

    @property
    def _most_containers(self) -> int:
        devices = self._host.devices.most(self.gpu) if self.gpu else None
        return most_containers(self.settings, self._host.limits.containers_per_pool, devices)

    def _scale_on_devices(self, turn: Turn) -> None:
        devices = self._host.devices
        lacks = containers_for(self.decision.demand, self.target_inputs) > self.live
        devices.unsettled |= lacks and not self._lacks
        self._lacks = lacks
        if lacks and (moment := devices.look_again(self.gpu, turn)) is not None:
            self._alarm(moment)

    @property
    def refusal(self) -> str | None:
        """Why no container of this function can ever start on this host; None if one can."""
        return self._host.devices.refusal(self.gpu) if self.gpu else None

    @property
    def blocked(self) -> bool:
        """More containers are wanted, and the host has no device for them now."""
        return self._host.is_blocked(self)

    @property
    def shortage(self) -> str:
        """What keeps wanted containers from starting: devices that the host lacks, code that fails; empty if nothing does."""
        lacks = self.refusal or (self._host.devices.shortage(self.gpu) if self.blocked else "")
        return lacks or str(self.start_failures)

    def _want(self, count: int) -> None:
        self.wanted = count
        self._host.queue(self)

    @property
    def limits(self) -> HostLimits:
        return self._host.limits

    @property
    def serves(self) -> bool:
        """Some container takes inputs, now or when it has a free slot."""
        return self.live > self.starting

    def start(self, turn: Turn) -> bool:
        """Start one container; the host says when. False if it would need a device that is not free."""
        grant = self._host.devices.find(self.gpu)
        if grant is None:
            return False
        self.wanted -= 1
        reason = self.decision.reason
        container = Container(self._new_id(), turn.now, reason)
        self.containers[container.container_id] = container
        self.live += 1
        self.starting += 1
        self.started_total += 1
        self._host.starting += 1
        self.peak = max(self.peak, len(self.containers))
        self._alarm(turn.now + self.spec.startup_timeout)
        gpus = tuple(gpu.uuid for gpu in grant.gpus)
        if gpus:
            self._host.devices.hold(container.container_id, grant, self)
        turn.commands.append(StartContainer(container.container_id, self.function_id, reason, gpus))
        return True

    # --- devices go to who needs them ---------------------------------------------------------------------------------

    def make_room(self, turn: Turn) -> None:
        """Have others' spare containers stop, if inputs wait for a device that those hold."""
        if self._lacks:
            self._host.devices.make_room(self.gpu, self, turn)

    def leaving(self) -> list[Container]:
        """Containers that were told to end, and have not ended."""
        return [c for c in self.containers.values() if c.state is states.STOPPING]

    def spare(self) -> list[Container]:
        """Idle containers beyond `min_containers` and demand, the longest idle first."""
        idle = [c for c in self.containers.values() if c.state is states.READY and not c.running and not c.exclusive]
        idle.sort(key=lambda container: container.idle_since)
        kept = max(self.settings.min_containers, containers_for(self.decision.demand, self.target_inputs))
        return idle[: max(0, self.live - kept)]

    def give_way(self, container: Container, turn: Turn) -> None:
        """Stop an idle container for the sake of another pool."""
        self.stop(container, "another function needs its GPU", turn)

    def _stop_idle(self, turn: Turn) -> None:
        """The longest idle go first, once their window is over, down to the desired number."""
        while self.live > self.decision.desired and (container := self.index.longest_idle()):
            expiry = container.idle_since + self.decision.idle_window
            if expiry > turn.now:
                self._alarm(expiry)
                return
            self.stop(container, f"idle for {turn.now - container.idle_since:.1f} s", turn)

    def _shed(self, limit: int, reason: str, turn: Turn) -> None:
        """There are to be fewer, now: idle containers go, then starting ones, then the least busy drain."""
        live = [c for c in self.containers.values() if c.state in (states.READY, states.STARTING)]
        live.sort(key=lambda c: (len(c.running), c.state is states.STARTING))
        for container in live[: self.live - limit]:
            if container.state is states.STARTING:
                self.kill(container, reason, turn)
            else:
                self.drain(container, reason, None, turn)

    # --- one container ------------------------------------------------------------------------------------------------

    def get(self, container_id: str) -> Container | None:
        return self.containers.get(container_id)

    def became_ready(self, container: Container, turn: Turn) -> None:
        """It imported and entered: it may be given attempts."""
        self._leave_starting()
        container.move("became_ready", turn.now)
        container.ready_at = container.idle_since = turn.now
        self.scaler.started(turn.now - container.started_at)
        self.start_failures.forget()
        self.index.put(container)
        if self.gpu:
            self._host.devices.unsettled = True
        if container.frozen_until is not None:  # it said so just before
            self._set_frozen(container, turn)
        elif container.parting:
            self.drain(container, *container.parting, turn)

    def failed_to_start(self, container: Container, turn: Turn) -> None:
        """It cannot serve, and goes; the next attempt at starting one waits longer each time."""
        self.start_failures.add(container.started_at, turn.now)
        self.kill(container, "failed to start", turn)

    def loaded(self, container: Container, turn: Turn) -> None:
        """It was given attempts."""
        if self.spec.single_use_containers:
            self.drain(container, "single_use_containers", None, turn)
        elif not container.exclusive:
            self.index.put(container)

    def unloaded(self, container: Container, turn: Turn) -> None:
        """Attempts of it ended."""
        if not container.running:
            container.idle_since = turn.now
            if self.gpu:
                self._host.devices.unsettled = True
            if container.state is states.DRAINING:
                self.stop(container, "drained", turn)
                return
        elif container.stuck:
            self._kill_if_only_stuck(container, turn)
        if container.state is states.READY and not container.exclusive:
            self.index.put(container)

    def drain(self, container: Container, reason: str, grace: float | None, turn: Turn) -> None:
        """No new attempts for it; it stops when it holds none, or must leave after `grace` seconds (None: any time)."""
        if container.state is states.READY:
            self.index.remove(container)
            container.move("drained", turn.now, reason)
            self.live -= 1
            if not container.running:
                self.stop(container, reason, turn)
        elif container.state in (states.STARTING, states.FROZEN):
            container.parting = (reason, grace)
            return
        if grace is not None and container.state is states.DRAINING and container.leave_by is None:
            self._leave_by(turn.now + grace, container)

    def _leave_by(self, deadline: float, container: Container) -> None:
        container.leave_by = deadline
        self._alarm(deadline)

    def give_up(self, container: Container, attempt: int, turn: Turn) -> None:
        """It did not end a cancelled attempt within the grace: it takes no more, and is killed when it does nothing else."""
        container.stuck.add(attempt)
        self.drain(container, "it does not end a cancelled input", self._host.limits.drain_grace, turn)
        self._kill_if_only_stuck(container, turn)

    def _kill_if_only_stuck(self, container: Container, turn: Turn) -> None:
        if container.state is states.DRAINING and container.running.keys() <= container.stuck:
            self.kill(container, f"{len(container.running)} cancelled inputs do not end", turn)

    def froze(self, container: Container, turn: Turn) -> None:
        """Its process was stopped: it is given nothing, others start in its place, and it must thaw in time."""
        container.frozen_until = turn.now + self._host.limits.freeze_grace
        self._alarm(container.frozen_until)
        if container.state is states.READY:
            self._set_frozen(container, turn)

    def _set_frozen(self, container: Container, turn: Turn) -> None:
        self.index.remove(container)
        container.move("froze", turn.now)
        self.live -= 1

    def thawed(self, container: Container, turn: Turn) -> None:
        """It runs again."""
        container.frozen_until = None
        if container.state is states.FROZEN:
            container.move("thawed", turn.now)
            self.live += 1
            if not container.exclusive:
                self.index.put(container)
            if container.parting:
                self.drain(container, *container.parting, turn)

    def ended(self, container: Container, turn: Turn) -> None:
        """It is gone, asked or not."""
        self.index.remove(container)
        if container.state is states.STARTING:
            self.start_failures.add(container.started_at, turn.now)
            self._leave_starting()
        if container.state in (states.STARTING, states.READY):
            self.live -= 1
        container.move("ended", turn.now)
        del self.containers[container.container_id]
        if self.gpu and self._host.devices.release(container.container_id):
            self._host.devices_changed()

    def stop(self, container: Container, reason: str, turn: Turn) -> None:
        """Let it run its exit hooks and end; it has `stop_grace` for that."""
        self.index.remove(container)
        if container.state is states.READY:
            self.live -= 1
        container.move("stopped", turn.now, reason)
        self._alarm(turn.now + self._host.limits.stop_grace)
        turn.commands.append(StopContainer(container.container_id, reason))

    def kill(self, container: Container, reason: str, turn: Turn) -> None:
        """End it now."""
        self.index.remove(container)
        if container.state is states.STARTING:
            self._leave_starting()
        if container.state in (states.STARTING, states.READY):
            self.live -= 1
        if container.state is not states.STOPPING:
            container.move("stopped", turn.now, reason)
        container.killed = True
        turn.commands.append(KillContainer(container.container_id, reason))

    def _leave_starting(self) -> None:
        self.starting -= 1
        self._host.starting -= 1

    # --- time ---------------------------------------------------------------------------------------------------------

    def overdue_starts(self, now: float) -> list[Container]:
        """Containers that have been starting for longer than `startup_timeout`."""
        limit = self.spec.startup_timeout
        starting = [c for c in self.containers.values() if c.state is states.STARTING]
        for container in starting:
            if container.started_at + limit > now:
                self._alarm(container.started_at + limit)
        return [c for c in starting if c.started_at + limit <= now]

    def overstayed(self, now: float) -> list[Container]:
        """Containers that drain or are frozen and had to be gone by now."""
        late = []
        for container in self.containers.values():
            if container.state is not states.STOPPING and (deadline := container.deadline) is not None:
                if deadline <= now:
                    late.append(container)
                else:
                    self._alarm(deadline)
        return late

    def kill_overdue_stops(self, turn: Turn) -> None:
        """Containers that were asked to stop and have used up their grace."""
        for container in list(self.containers.values()):
            if container.state is states.STOPPING and not container.killed:
                deadline = container.history[-1][0] + self._host.limits.stop_grace
                if self._closing_deadline is not None:
                    deadline = min(deadline, self._closing_deadline)
                if deadline <= turn.now:
                    self.kill(container, "did not stop in time", turn)
                else:
                    self._alarm(deadline)

    def close(self, grace: float, turn: Turn) -> None:
        """Stop everything: running exit hooks for `grace` seconds at most; nothing starts any more."""
        self._closing_deadline = turn.now + grace
        self._want(0)
        self._alarm(self._closing_deadline)
        for container in list(self.containers.values()):
            if container.state is states.STARTING:
                self.kill(container, "app stopped", turn)
            elif container.state is not states.STOPPING:
                self.stop(container, "app stopped", turn)

    def check(self) -> None:
        """Raise `InternalError` unless the bookkeeping agrees with the containers."""
        alive = list(self.containers.values())
        facts = {
            "live": self.live == sum(c.state in (states.STARTING, states.READY) for c in alive),
            "starting": self.starting == sum(c.state is states.STARTING for c in alive),
            "limit": self.live <= self._most_containers or self._closing_deadline is not None,
            "max_inputs": all(len(c.running) <= self.max_inputs for c in alive),
            "routable": all((c in self.index) == (c.state is states.READY and not c.exclusive) for c in alive),
            "busy ones are not stopped": self._closing_deadline is not None
            or not any(c.state is states.STOPPING and any(c.running.values()) for c in alive),
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"fleet of {self.function_id}: {', '.join(broken)}: {alive}")
