"""The containers of one pool, and what becomes of each: from its start to its end, in time or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from motet.core import containers as states
from motet.core.commands import KillContainer, RecordEnd, RecordStart, ResumeContainer, StartContainer, StopContainer
from motet.core.container_graces import ContainerGraces
from motet.core.containers import Container
from motet.core.device_claim import DeviceClaim
from motet.core.events import ContainerResumed
from motet.core.grace import SetAlarm
from motet.core.host import Host
from motet.core.learned_target import LearnedTarget
from motet.core.placement import Need
from motet.core.roster import Roster
from motet.core.router import LoadIndex
from motet.core.shares import Share
from motet.core.start_failures import StartFailures
from motet.core.turn import Turn
from motet.model.function import FunctionSpec
from motet.model.host import OWN_HOST

COUNTED = (states.STARTING, states.READY)
"""The states in which a container counts towards the desired number."""


class Fleet:
    """Holds every container of the pool that has not ended, and the index of those that may be given attempts.

    `alarm` is how it asks for `Pool.tick` when one of them is to be looked after.
    """

    def __init__(
        self,
        function_id: str,
        spec: FunctionSpec,
        host: Host,
        roster: Roster,
        alarm: SetAlarm,
        share: Share,
        *,
        own_host: bool = False,
        bundle: str = "",
    ) -> None:
        self.function_id = function_id
        self.spec = spec
        self.gpu = spec.resources.gpu
        self._single_use = spec.single_use_containers
        self.max_inputs = 1 if self._single_use else spec.concurrency.max_inputs
        target = 1 if self.max_inputs == 1 else spec.concurrency.target_inputs
        self.learned = LearnedTarget(self.max_inputs, spec.concurrency.slo_p95) if target == "auto" else None
        """With target_inputs="auto": what says what the target is now."""
        self.target_inputs: int = target if target != "auto" else LearnedTarget.start(self.max_inputs)
        self.containers: dict[str, Container] = {}
        self.index = LoadIndex(self.max_inputs)
        self.live = 0
        """Containers that are starting or ready: those that count towards the desired number."""
        self.starting = 0
        self.started_total = 0
        self.peak = 0
        self.start_failures = StartFailures()
        self.host = host
        self.share = share
        need = Need.of(spec.resources, own_host=own_host, bundle=bundle, unasked_cpu=host.limits.unasked_cpu)
        self.claim = DeviceClaim(need, host, alarm)
        self._roster = roster
        self.graces = ContainerGraces(spec.startup_timeout, host.limits, alarm)
        self.held_up: set[Container] = set()

    @property
    def first_starting(self) -> Container | None:
        """The one that has been starting for longest."""
        return next(iter(self.graces.starts), None)

    # --- states, and what follows from them ---------------------------------------------------------------------------

    def _move(self, container: Container, event: str, turn: Turn, reason: str = "") -> None:
        """Move it as its table says; all that is counted or kept by state follows here, and nowhere else."""
        before = container.state
        container.move(event, turn.now, reason)
        after = container.state
        if before is states.STARTING:
            self.graces.starts.end(container)
            self.starting -= 1
            self.host.start_is_over()
            self.claim.started(container)
        if after is states.STOPPING:
            self.host.container_leaves()
        more = (after in COUNTED) - (before in COUNTED)
        if more:
            self.live += more
            self.share.add_live(more)
        if (drains := (after is states.DRAINING) - (before is states.DRAINING)) != 0:
            self.host.drains(drains)
        self._index(container)

    def _settle(self, container: Container, turn: Turn) -> None:
        """Make the moves that its state causes by itself, one after another."""
        why = "drained"
        while (event := container.caused) is not None:
            if event == "stopped":
                self.stop(container, why, turn)
            elif event == "drained":
                why = container.leaving or why  # if it is empty, it stops for the same reason
                self._move(container, event, turn, why)
            else:
                self._move(container, event, turn)
        if container.hurry and container.state is states.DRAINING and container not in self.graces.drains:
            self.graces.drains.begin(container, turn.now)

    def _index(self, container: Container) -> None:
        if container.takes_inputs:
            self.index.put(container)
        else:
            self.index.remove(container)

    # --- one container ------------------------------------------------------------------------------------------------

    def start(
        self, reason: str, gpus: tuple[str, ...], wanted_at: float, turn: Turn, host: str = OWN_HOST
    ) -> Container:
        """One more on this host, which is to see these GPUs, and has been wanted since then."""
        container = self._roster.add(self.function_id, turn.now, reason, host)
        self._starts(container, turn)
        turn.commands.append(
            StartContainer(
                *(container.container_id, self.function_id, reason, gpus, turn.now - wanted_at, host),
                self.spec.isolation or "process",
            )
        )
        return container

    def _starts(self, container: Container, turn: Turn) -> None:
        self.containers[container.container_id] = container
        self.live += 1
        self.share.add_live(1)
        self.share.add_containers(1)
        self.started_total += 1
        self.starting += 1
        self.host.container_started()
        self.peak = max(self.peak, len(self.containers))
        self.graces.starts.begin(container, turn.now)

    def resume(self, event: ContainerResumed, turn: Turn) -> Container:
        """One that a server before this one had started is here. What it runs takes its slots before it is `resumed`."""
        container = self._roster.resume(event.container_id, self.function_id, turn.now, event.host)
        self._starts(container, turn)
        if event.limit is not None:
            container.limit_to(event.limit)
        if event.leaving is not None or (self._single_use and (event.running or event.ended)):
            container.leave(event.leaving or "single_use_containers")
        return container

    def resumed(self, container: Container, turn: Turn) -> None:
        """It has what it runs, and may be given more."""
        self._move(container, "became_ready", turn)
        self._settle(container, turn)

    def became_ready(self, container: Container, turn: Turn) -> None:
        """It imported and entered: it may be given attempts."""
        self._move(container, "became_ready", turn)
        if turn.records is not None:
            turn.commands.append(RecordStart(self.function_id, turn.now - container.started_at))
        self.start_failures.forget()  # the code can start, so the next one that fails does not wait long
        if self.gpu:
            self.claim.unsettle()
        self._settle(container, turn)  # its process was stopped just before, or it was told to go while it started

    def failed_to_start(self, container: Container, turn: Turn) -> None:
        """It cannot serve, and goes; the next attempt at starting one waits longer each time."""
        container.fail()
        self.start_failures.add(container.started_at, turn.now)
        self.kill(container, "failed to start", turn)

    def limit(self, container: Container, limit: int) -> None:
        """It takes at most so many attempts at a time from now on."""
        container.limit_to(limit)
        self._index(container)

    def set_aside(self, container: Container) -> None:
        """It is for suspects alone from now on."""
        container.set_aside(True)
        self._index(container)

    def give_back(self, container: Container) -> None:
        """It is for anybody again."""
        container.set_aside(False)
        self._index(container)

    def loaded(self, container: Container, turn: Turn) -> None:
        """It was given attempts."""
        if self.learned is not None:
            self.learned.loaded(container, turn.now)
        if self._single_use:
            self.drain(container, "single_use_containers", turn)
        elif container.takes_inputs:
            self.index.put(container)

    def unloaded(self, container: Container, turn: Turn) -> None:
        """Attempts of it ended."""
        if self.learned is not None:
            self.learned.unloaded(container, turn.now)
            self.target_inputs = self.learned.target  # it changes only when inputs have ended
        if not container.running and (self.gpu or self.host.hosts.are_several):
            self.claim.unsettle()
        if container.takes_inputs:
            self.index.put(container)
        elif container.state is states.DRAINING:
            if container.stuck:
                self._kill_if_only_stuck(container, turn)
            self._settle(container, turn)

    def drain(self, container: Container, reason: str, turn: Turn, *, hurry: bool = False) -> None:
        """No new attempts for it; it stops when it holds none, in a `hurry` at the end of the drain grace at the latest. If it
        starts or is frozen, all this is once it is ready."""
        container.leave(reason, hurry=hurry)
        self._settle(container, turn)

    # --- one that does not end what was cancelled ---------------------------------------------------------------------

    def give_up(self, container: Container, attempt: int, turn: Turn) -> None:
        """It did not end a cancelled attempt within the grace: it takes no more until it has, and is killed when it does
        nothing else, or at the end of the drain grace."""
        container.give_up(attempt)
        if container.state is not states.FROZEN:  # in which nothing can end
            self._wait_for_stuck(container, (attempt,), turn)
            self._kill_if_only_stuck(container, turn)

    def _wait_for_stuck(self, container: Container, attempts: Iterable[int], turn: Turn) -> None:
        for attempt in attempts:
            self.graces.stuck.begin((attempt, container), turn.now)
        if container.state is states.READY:
            reason = "it does not end a cancelled input"
            if container.exclusive:  # what it runs must stay alone, so it does not come back to take other inputs
                container.leave(reason)
            self._move(container, "drained", turn, reason)

    def _kill_if_only_stuck(self, container: Container, turn: Turn) -> None:
        # No move that its state causes: one that has just given back what it had not begun holds nothing else either, and
        # may yet let go of it.
        if container.state is states.DRAINING and container.running.keys() <= container.stuck:
            self.kill(container, f"{len(container.running)} cancelled inputs do not end", turn)

    # --- one whose process was stopped, or is gone --------------------------------------------------------------------

    def froze(self, container: Container, turn: Turn) -> None:
        """Its process was stopped: it is given nothing, others start in its place, and it must thaw in time."""
        container.freeze(turn.now)  # also while it starts: it is not given anything when it is ready
        if container.state is not states.STOPPING:
            self.graces.freezes.begin(container, turn.now)
        self._settle(container, turn)

    def thawed(self, container: Container, turn: Turn) -> None:
        """It runs again."""
        container.thaw(turn.now)
        self.graces.freezes.end(container)
        self._settle(container, turn)
        if container.stuck and not container.blocked:
            self._wait_for_stuck(container, container.stuck, turn)

    def blocked(self, container: Container, turn: Turn) -> None:
        """Its event loop does not turn: it is given nothing until it does. It still counts: code that blocks for a while must
        not lead to more containers than there may be."""
        container.block(turn.now)
        self.held_up.add(container)
        self._index(container)

    def unblocked(self, container: Container, turn: Turn) -> None:
        """It turns again."""
        container.unblock(turn.now)
        turn.commands.append(ResumeContainer(container.container_id))
        self._may_be_reached(container)

    def silent(self, container: Container, reason: str, turn: Turn) -> None:
        """It does not answer: it is given nothing until it does. It still counts, for it may run what it has."""
        container.be_silent(reason, turn.now)
        self.held_up.add(container)
        self._index(container)

    def heard(self, container: Container, turn: Turn) -> None:
        """It answers again."""
        container.be_heard(turn.now)
        self._may_be_reached(container)

    def _may_be_reached(self, container: Container) -> None:
        if not container.is_held_up:
            self.held_up.discard(container)
        self._index(container)

    @property
    def out_of_reach(self) -> int:
        """Containers that count, and take no inputs because they are blocked or silent: others are wanted beside them."""
        return sum(container.state is states.READY for container in self.held_up)

    def ended(self, container: Container, turn: Turn, *, blameless: bool = False) -> None:
        """It is gone, asked or not. (`blameless`: nothing in it can be the cause.)"""
        if self.learned is not None:
            self.learned.lost(container)
        if container.state is states.STARTING:
            container.fail()
            if not blameless:
                self.start_failures.add(container.started_at, turn.now)
        asked = container.state is states.STOPPING
        self._move(container, "ended", turn)
        self.share.add_containers(-1)
        self.host.container_ended(was_leaving=asked)
        if turn.records is not None:
            how: Literal["stopped", "failed", "died"] = "failed" if container.failed else "stopped" if asked else "died"
            turn.commands.append(RecordEnd(self.function_id, how))
        del self.containers[container.container_id]
        self._roster.remove(container)
        self.held_up.discard(container)
        self.graces.end(container)
        self.claim.release(container)

    def stop(self, container: Container, reason: str, turn: Turn) -> None:
        """Let it run its exit hooks and end; it has `stop_grace` for that."""
        self._move(container, "stopped", turn, reason)
        self.graces.end(container)
        self.graces.stops.begin(container, turn.now)
        turn.commands.append(StopContainer(container.container_id, reason))

    def kill(self, container: Container, reason: str, turn: Turn) -> None:
        """End it now."""
        if container.state is not states.STOPPING:
            self._move(container, "stopped", turn, reason)
        self.graces.end(container)
        turn.commands.append(KillContainer(container.container_id, reason))

    # --- all of them --------------------------------------------------------------------------------------------------

    def close(self, grace: float, reason: str, turn: Turn) -> None:
        """Stop everything: running exit hooks for `grace` seconds at most; nothing starts any more."""
        self.graces.close(turn.now + grace)
        for container in list(self.containers.values()):
            if container.state is states.STARTING:
                self.kill(container, reason, turn)
            elif container.state is not states.STOPPING:
                self.stop(container, reason, turn)
