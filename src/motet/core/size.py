"""The size of one pool: starting containers when there is work for more, stopping some when there is not."""

from __future__ import annotations

from msgspec.structs import replace

from motet.core import containers as states
from motet.core.attempts import Attempts
from motet.core.autoscaler import NOTHING, Demand, containers_for, most_containers
from motet.core.commands import ReportDecision
from motet.core.containers import Container
from motet.core.devices import Grant
from motet.core.fleet import Fleet
from motet.core.grace import SetAlarm
from motet.core.isolation import Isolation
from motet.core.placement import Placement
from motet.core.scaler import Scaler
from motet.core.shares import Share
from motet.core.turn import Turn
from motet.core.waiting import WaitingQueue
from motet.errors import InternalError
from motet.model.gpu import Gpu
from motet.model.reservation import RoomAsked
from motet.model.scaling import AutoscalerSettings


class Size:
    """Has a fleet as large as the scaler says, as far and as soon as the host lets it.

    At once when asked: `scale` is called after every change. `alarm` is how it asks to be called again later. The inputs that
    wait and run are counted in the reports on what it decides.
    """

    def __init__(
        self,
        fleet: Fleet,
        scaler: Scaler,
        queue: WaitingQueue,
        isolation: Isolation,
        attempts: Attempts,
        alarm: SetAlarm,
    ) -> None:
        self.settings = fleet.spec.autoscaler
        self.decision = NOTHING
        self.wanted = 0
        """Containers to start as soon as the host lets us."""
        self._wanted_since: float | None = None
        self._fleet = fleet
        self._scaler = scaler
        self._queue = queue
        self._isolation = isolation
        self._attempts = attempts
        self._reported = 0
        """The size that was wanted at the last report."""
        self._host = fleet.host
        self._claim = fleet.claim
        self._alarm = alarm
        self._closed = False
        self.held = False
        self._declared = self.settings
        self._floor = 0
        self._replaces = False
        self.is_called_by_containers = False
        """Inputs that run in containers wait for inputs of this pool, or have done."""
        self._host.join(self)
        # Kept, because it is asked with every event and follows from what seldom changes.
        self._most = most_containers(self.settings, self._host.limits.containers_per_pool)

    def called_by_a_container(self) -> None:
        """An input that runs in a container has called this pool's function, and may wait for that."""
        # For good: whoever has called it once may do so at a moment when the host is full of such callers.
        self.is_called_by_containers = True

    def change(self, settings: AutoscalerSettings) -> None:
        """Other bounds from now on; `scale` applies them."""
        self._declared = settings
        self._most = most_containers(settings, self._host.limits.containers_per_pool)
        floor = min(self._floor, self._most)
        self.settings = replace(settings, min_containers=max(floor, settings.min_containers)) if floor else settings
        self._claim.unsettle()  # it may have containers to spare now

    def hold(self, held: bool) -> None:
        """Start nothing for now, or start what is wanted from now on."""
        self.held = held

    def at_least(self, containers: int, *, replaces: bool = False) -> None:
        """Keep so many, if its bounds ask for fewer. `replaces`: see `FunctionWarmed`."""
        self._floor, self._replaces = containers, replaces
        self.change(self._declared)

    def keep_none(self) -> None:
        """No container is kept for inputs that may come."""
        self._floor = 0
        self.change(replace(self._declared, min_containers=0, buffer_containers=0))

    def close(self) -> None:
        """Nothing starts any more."""
        self._closed = True
        self._want(0)  # out of the host's line, where it would get containers that others need

    def scale(self, demand: Demand, turn: Turn) -> None:
        """Ask for the containers that `demand` calls for; stop what is idle beyond the window or beyond the limit."""
        if self._closed or self.held:
            return
        fleet = self._fleet
        live, starting = fleet.live, fleet.starting
        most = self._most if not fleet.gpu else self._most_with_devices
        decision = self.decision = self._scaler.decide(demand, self.settings, most, turn.now)
        if fleet.gpu or self._host.hosts.are_several:
            self._claim.lack(containers_for(demand, fleet.target_inputs) > live, turn)
        if live < decision.desired or self.wanted:
            before = self.wanted
            self._want(self._startable(demand, turn))
            # Since the first of them was wanted, not the last: what is reported is how long the host made it wait.
            if self._wanted_since is None or not self.wanted:
                self._wanted_since = turn.now if self.wanted else None
            if self.wanted and (not before or decision.desired != self._reported):
                self._report(live, starting, turn)
        if live > decision.desired:
            if live > decision.limit:
                self._shed(decision.limit, f"max_containers={decision.limit}", turn)
            elif decision.decision.drains:
                self._shed(decision.desired, decision.reason, turn)
            self._stop_idle(turn)
            if fleet.live < live:
                self._report(live, starting, turn)

    def _report(self, live: int, starting: int, turn: Turn) -> None:
        """Only where something changes: while a pool stays as it is, no decision costs anything."""
        self._reported = self.decision.desired
        turn.commands.append(
            ReportDecision(
                self._fleet.function_id,
                self.decision.desired,
                live,
                starting,
                self._queue.count + len(self._isolation),
                self._attempts.running,
                self.decision.reason,
            )
        )

    @property
    def _most_with_devices(self) -> int:
        devices = self._claim.most
        return self._most if devices is None else min(self._most, devices)

    # --- more ---------------------------------------------------------------------------------------------------------

    @property
    def growing(self) -> bool:
        """Another container is on its way."""
        if self._fleet.starting:
            return True
        return bool(self.wanted) and not self._host.is_blocked(self) and not self._host.shortage(self)

    @property
    def refusal(self) -> str | None:
        """Why no container of this function can ever start on this host; None if one can."""
        return self._claim.refusal

    @property
    def shortage(self) -> str:
        """What keeps wanted containers from starting: devices or room that the host lacks, code that fails; empty if nothing
        does."""
        return self._claim.shortage(self) or self._host.shortage(self) or str(self._fleet.start_failures)

    def _startable(self, demand: Demand, turn: Turn) -> int:
        """How many containers to start now. Those on their way out count until they are gone."""
        fleet = self._fleet
        count = min(self.decision.desired - fleet.live, self.decision.limit - len(fleet.containers))
        if count <= 0 or not fleet.start_failures.count:
            return max(count, 0)
        # The code fails to start. Whoever waits where nothing serves has come since (the others were told): probe for
        # it at once, one container at a time. Those with a ready container, and min_containers, wait out the backoff.
        untold = (demand.inputs or demand.alone) and fleet.live == fleet.starting
        if not untold and turn.now < fleet.start_failures.pause_until:
            self._alarm(fleet.start_failures.pause_until)
            return 0
        return min(count, 1) if not fleet.starting else 0

    def _want(self, count: int) -> None:
        self.wanted = count
        self._host.queue(self)

    def start(self, turn: Turn) -> bool:
        """Start one container; the host says when. False if it would need a device that is not free, or that others' inputs
        wait for while its own need none."""
        placement = self._claim.find(self._fleet.containers.values(), beyond=self.is_owed_one)
        if placement is None:
            return False
        grant = placement.grant
        if grant.gpus and not self.lacks_one and self._host.is_promised(grant):
            return False
        self.wanted -= 1
        since = turn.now if self._wanted_since is None else self._wanted_since
        gpus = tuple(gpu.uuid for gpu in grant.gpus)
        container = self._fleet.start(self.decision.reason, gpus, since, turn, placement.host_id)
        if not self.wanted:
            self._wanted_since = None
        self._claim.hold(container, placement, self)
        return True

    def resumed(self, container: Container, gpus: tuple[str, ...]) -> None:
        """A container is here that a server before this one had started, with these devices."""
        fits = [request.count for request in self._claim.requests if max(request.count, 1) == len(gpus)]
        grant = Grant(tuple(Gpu(uuid=uuid, kind="", memory_mib=0) for uuid in gpus), min([1.0, *fits]))
        self._claim.hold(container, Placement(container.host, grant), self)

    # --- fewer --------------------------------------------------------------------------------------------------------

    def _stop_idle(self, turn: Turn) -> None:
        """The longest idle go first, once their window is over, down to the desired number."""
        fleet, decision = self._fleet, self.decision
        while fleet.live > decision.desired and (container := fleet.index.longest_idle()):
            spare = fleet.live > decision.keep
            expiry = container.idle_since + (decision.spare_window if spare else decision.idle_window)
            if expiry > turn.now:
                self._alarm(expiry)
                return
            why = f"; {decision.keep} were enough lately" if spare else ""
            fleet.stop(container, f"idle for {turn.now - container.idle_since:.1f} s{why}", turn)

    def _shed(self, limit: int, reason: str, turn: Turn) -> None:
        """There are to be fewer, now: idle containers go, then starting ones, then the least busy drain."""
        fleet = self._fleet
        while fleet.live > limit:
            if container := fleet.index.longest_idle():
                fleet.drain(container, reason, turn)
            elif container := fleet.first_starting:
                fleet.kill(container, reason, turn)
            elif container := fleet.index.emptiest_below(fleet.max_inputs + 1):
                fleet.drain(container, reason, turn)
            else:
                aside = (c for c in fleet.containers.values() if c.state is states.READY and not c.takes_inputs)
                fleet.drain(min(aside, key=lambda c: len(c.running)), reason, turn)

    # --- there is room for so many on the host ------------------------------------------------------------------------

    @property
    def is_owed_one(self) -> bool:
        """It has no container, and those that call it cannot end before it has one."""
        return self.is_called_by_containers and not self._fleet.containers and self.lacks_one

    @property
    def takes_over(self) -> bool:
        """It has no container, and is to have one before another function, which has some, goes for its sake."""
        return self._replaces and self._floor > 0 and not self._fleet.containers

    @property
    def is_awaited(self) -> bool:
        """It has no container, and whoever deployed it waits for one."""
        return self._floor > 0 and not self._fleet.containers

    @property
    def share(self) -> Share:
        """That of its app."""
        return self._fleet.share

    @property
    def live(self) -> int:
        """How many of its containers start or serve."""
        return self._fleet.live

    @property
    def asked(self) -> RoomAsked | None:
        """What each of its containers asks of a cluster; None: they are for the server's own machine."""
        return None if self._claim.need.own_host else self._claim.need.asked

    @property
    def lacks_one(self) -> bool:
        """Inputs want more containers than there are."""
        return containers_for(self.decision.demand, self._fleet.target_inputs) > self._fleet.live

    @property
    def spare_since(self) -> float | None:
        """Since when a container has been idle that neither demand nor `min_containers` needs; None if there is none."""
        fleet = self._fleet
        if fleet.live <= self._needed or (container := fleet.index.longest_idle()) is None:
            return None
        return container.idle_since

    def give_up_spare(self, turn: Turn) -> None:
        """Stop the container that has been idle for longest."""
        if container := self._fleet.index.longest_idle():
            self._fleet.stop(container, "its place on the host is needed by another", turn)

    def give_up_busy(self, turn: Turn) -> None:
        """Have the least busy container end once it has finished what it has."""
        fleet, reason = self._fleet, "others have fewer containers on this host"
        if container := fleet.index.longest_idle() or fleet.index.emptiest_below(fleet.max_inputs + 1):
            fleet.drain(container, reason, turn)

    @property
    def _needed(self) -> int:
        return max(self.settings.min_containers, containers_for(self.decision.demand, self._fleet.target_inputs))

    # --- devices go to who needs them ---------------------------------------------------------------------------------

    def make_room(self, turn: Turn) -> None:
        """Have others' spare containers stop, if inputs wait for a device that those hold."""
        self._claim.make_room(self._fleet.containers.values(), self, turn)

    def soon_gets_any_of(self, grant: Grant) -> bool:
        """Whether it can have some of these devices as soon as what is told to end has ended."""
        return self._claim.soon_gets_any_of(grant, self._fleet.containers.values())

    def leaving(self) -> list[Container]:
        """Containers that were told to end, and have not ended."""
        return [c for c in self._fleet.containers.values() if c.state is states.STOPPING]

    def spare(self) -> list[Container]:
        """Idle containers beyond `min_containers` and demand, the longest idle first."""
        fleet = self._fleet
        idle = [c for c in fleet.containers.values() if c.state is states.READY and not c.running and not c.exclusive]
        idle.sort(key=lambda container: container.idle_since)
        return idle[: max(0, fleet.live - self._needed)]

    def give_way(self, container: Container, turn: Turn) -> None:
        """Stop an idle container for the sake of another pool."""
        what = "GPU" if self._fleet.gpu else "room on its host"
        self._fleet.stop(container, f"another function needs its {what}", turn)

    # --- for tests ----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `InternalError` if the pool is larger than it may be."""
        if self._fleet.live > self._most_with_devices and not self._closed:
            raise InternalError(f"{self._fleet.live} containers, and {self._most_with_devices} may be")
