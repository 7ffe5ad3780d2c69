"""The containers of one pool, and what becomes of each: from its start to its end, in time or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from motet.core import containers as states
from motet.core.commands import KillContainer, RecordEnd, RecordStart, ResumeContainer, StartContainer, StopContainer
from motet.core.containers import Container
from motet.core.device_claim import DeviceClaim
from motet.core.grace import Grace
from motet.core.host import Host
from motet.core.learned_target import LearnedTarget
from motet.core.router import LoadIndex
from motet.core.start_failures import StartFailures
from motet.core.turn import Turn
from motet.errors import InternalError
from motet.model.function import FunctionSpec


class Fleet:
    """Holds every container of the pool that has not ended, and the index of those that may be given attempts.

    `alarm` is how it asks for `Pool.tick` when one of them is to be looked after.
    """

    def __init__(
        self,
        function_id: str,
        spec: FunctionSpec,
        host: Host,
        new_id: Callable[[], str],
        alarm: Callable[[float], None],
    ) -> None:
        self.function_id = function_id
        self.spec = spec
        self.gpu = spec.resources.gpu
        single = spec.single_use_containers
        self.max_inputs = 1 if single else spec.concurrency.max_inputs
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
        self.claim = DeviceClaim(self.gpu, host, alarm)
        self._new_id = new_id
        self._alarm = alarm
        limits = host.limits
        self._starts: Grace[Container] = Grace(spec.startup_timeout, alarm)
        self._freezes: Grace[Container] = Grace(limits.freeze_grace, alarm)
        self._drains: Grace[Container] = Grace(limits.drain_grace, alarm)
        """Of those that drain, the ones that must be gone by then."""
        self._stuck: Grace[tuple[int, Container]] = Grace(limits.drain_grace, alarm)
        """Attempts that were cancelled, have used up their grace and still do not end."""
        self._stops: Grace[Container] = Grace(limits.stop_grace, alarm)
        self._closing_deadline: float | None = None
        self.end_reason = "app stopped"
        """Why all of them go, when they do."""
        self.held_up: set[Container] = set()

    @property
    def first_starting(self) -> Container | None:
        """The one that has been starting for longest."""
        return next(iter(self._starts), None)

    @property
    def serves(self) -> bool:
        """Some container takes inputs, now or when it has a free slot."""
        return self.live > self.starting

    def get(self, container_id: str) -> Container | None:
        return self.containers.get(container_id)

    # --- one container ------------------------------------------------------------------------------------------------

    def start(self, reason: str, gpus: tuple[str, ...], wanted_at: float, turn: Turn) -> Container:
        """One more, which is to see these GPUs, and has been wanted since then."""
        container = Container(self._new_id(), turn.now, reason)
        self.containers[container.container_id] = container
        self.live += 1
        self.started_total += 1
        self.starting += 1
        self.host.starting += 1
        self.host.containers += 1
        self.peak = max(self.peak, len(self.containers))
        self._starts.begin(container, turn.now)
        turn.commands.append(
            StartContainer(container.container_id, self.function_id, reason, gpus, turn.now - wanted_at)
        )
        return container

    def became_ready(self, container: Container, turn: Turn) -> None:
        """It imported and entered: it may be given attempts."""
        self._leave_starting(container)
        container.move("became_ready", turn.now)
        container.ready_at = container.idle_since = turn.now
        if turn.recording:
            turn.commands.append(RecordStart(self.function_id, turn.now - container.started_at))
        self.start_failures.forget()
        self.index.put(container)
        if self.gpu:
            self.claim.unsettle()
        if container in self._freezes:  # it said so just before
            self._set_frozen(container, turn)
        else:
            self._part(container, turn)

    def failed_to_start(self, container: Container, turn: Turn) -> None:
        """It cannot serve, and goes; the next attempt at starting one waits longer each time."""
        container.failed = True
        self.start_failures.add(container.started_at, turn.now)
        self.kill(container, "failed to start", turn)

    def limit(self, container: Container, limit: int) -> None:
        """It takes at most so many attempts at a time from now on."""
        container.limit = max(1, limit)
        if container in self.index:
            self.index.put(container)

    def loaded(self, container: Container, turn: Turn) -> None:
        """It was given attempts."""
        if self.learned is not None:
            self.learned.loaded(container, turn.now)
        if self.spec.single_use_containers:
            self.drain(container, "single_use_containers", turn)
        elif container.takes_inputs:
            self.index.put(container)

    def unloaded(self, container: Container, turn: Turn) -> None:
        """Attempts of it ended."""
        if self.learned is not None:
            self.learned.unloaded(container, turn.now)
            self.target_inputs = self.learned.target
        if container.stuck:
            self._let_go(container, turn)
        if not container.running:
            container.idle_since = turn.now
            if self.gpu:
                self.claim.unsettle()
            if container.state is states.DRAINING:
                self.stop(container, "drained", turn)
                return
        if container.takes_inputs:
            self.index.put(container)

    def drain(self, container: Container, reason: str, turn: Turn, *, hurry: bool = False) -> None:
        """No new attempts for it; it stops when it holds none, in a `hurry` at the end of the drain grace at the latest."""
        container.leaving = True
        if container.state is states.READY:
            self._retreat(container, reason, turn)
            if not container.running:
                self.stop(container, reason, turn)
        elif container.state in (states.STARTING, states.FROZEN):
            container.parting = (reason, hurry)
            return
        if hurry and container.state is states.DRAINING and container not in self._drains:
            self._drains.begin(container, turn.now)

    def _retreat(self, container: Container, reason: str, turn: Turn) -> None:
        self.index.remove(container)
        container.move("drained", turn.now, reason)
        self.live -= 1

    def _part(self, container: Container, turn: Turn) -> None:
        """It is ready (again): if it was told to drain meanwhile, it does."""
        if container.parting:
            reason, hurry = container.parting
            self.drain(container, reason, turn, hurry=hurry)

    # --- one that does not end what was cancelled ---------------------------------------------------------------------

    def give_up(self, container: Container, attempt: int, turn: Turn) -> None:
        """It did not end a cancelled attempt within the grace: it takes no more until it has, and is killed when it does
        nothing else, or at the end of the drain grace."""
        container.stuck.add(attempt)
        if container.state is not states.FROZEN:  # in which nothing can end
            self._wait_for_stuck(container, (attempt,), turn)
            self._kill_if_only_stuck(container, turn)

    def _wait_for_stuck(self, container: Container, attempts: Iterable[int], turn: Turn) -> None:
        for attempt in attempts:
            self._stuck.begin((attempt, container), turn.now)
        if container.state is states.READY:
            container.leaving |= container.exclusive  # what it runs must stay alone
            self._retreat(container, "it does not end a cancelled input", turn)

    def _let_go(self, container: Container, turn: Turn) -> None:
        """Attempts of it ended, perhaps those that were stuck: then it is as good as any other."""
        container.stuck &= container.running.keys()
        if container.stuck:
            self._kill_if_only_stuck(container, turn)
        else:
            self._recover(container, turn)

    def _recover(self, container: Container, turn: Turn) -> None:
        if container.state is states.DRAINING and not container.leaving and container not in self._freezes:
            container.move("recovered", turn.now)
            self.live += 1
            if container.takes_inputs:
                self.index.put(container)

    def _kill_if_only_stuck(self, container: Container, turn: Turn) -> None:
        if container.state is states.DRAINING and container.running.keys() <= container.stuck:
            self.kill(container, f"{len(container.running)} cancelled inputs do not end", turn)

    # --- one whose process was stopped, or is gone --------------------------------------------------------------------

    def froze(self, container: Container, turn: Turn) -> None:
        """Its process was stopped: it is given nothing, others start in its place, and it must thaw in time."""
        if container.state is not states.STOPPING:
            self._freezes.begin(container, turn.now)
        if container.state is states.READY:
            self._set_frozen(container, turn)

    def _set_frozen(self, container: Container, turn: Turn) -> None:
        self.index.remove(container)
        container.move("froze", turn.now)
        self.live -= 1

    def thawed(self, container: Container, turn: Turn) -> None:
        """It runs again."""
        self._freezes.end(container)
        if container.state is states.FROZEN:
            container.move("thawed", turn.now)
            self.live += 1
            if container.takes_inputs:
                self.index.put(container)
            self._part(container, turn)
        if container.stuck and not container.blocked:
            self._wait_for_stuck(container, container.stuck, turn)
        elif not container.stuck:
            self._recover(container, turn)

    def blocked(self, container: Container, turn: Turn) -> None:
        """Its event loop does not turn: it is given nothing until it does. It still counts: code that blocks for a while must
        not lead to more containers than there may be."""
        container.blocked = True
        self.held_up.add(container)
        container.history.append((turn.now, "its event loop is blocked"))
        self.index.remove(container)

    def unblocked(self, container: Container, turn: Turn) -> None:
        """It turns again."""
        container.blocked = False
        self.held_up.discard(container)
        container.history.append((turn.now, "its event loop turns again"))
        turn.commands.append(ResumeContainer(container.container_id))
        if container.takes_inputs:
            self.index.put(container)

    @property
    def out_of_reach(self) -> int:
        """Containers that count, and take no inputs because they are blocked: others are wanted beside them."""
        return sum(container.state is states.READY for container in self.held_up)

    def ended(self, container: Container, turn: Turn) -> None:
        """It is gone, asked or not."""
        if self.learned is not None:
            self.learned.lost(container)
        self.index.remove(container)
        if container.state is states.STARTING:
            container.failed = True
            self.start_failures.add(container.started_at, turn.now)
            self._leave_starting(container)
        if container.state in (states.STARTING, states.READY):
            self.live -= 1
        self.host.leaving -= container.state is states.STOPPING
        self.host.container_ended()
        if turn.recording:
            asked = container.state is states.STOPPING
            how: Literal["stopped", "failed", "died"] = "failed" if container.failed else "stopped" if asked else "died"
            turn.commands.append(RecordEnd(self.function_id, how))
        container.move("ended", turn.now)
        del self.containers[container.container_id]
        self.held_up.discard(container)
        self._not_due(container)
        if self.gpu:
            self.claim.release(container)

    def stop(self, container: Container, reason: str, turn: Turn) -> None:
        """Let it run its exit hooks and end; it has `stop_grace` for that."""
        self.index.remove(container)
        if container.state is states.READY:
            self.live -= 1
        container.move("stopped", turn.now, reason)
        self.host.leaving += 1
        self._not_due(container)
        self._stops.begin(container, turn.now)
        turn.commands.append(StopContainer(container.container_id, reason))

    def kill(self, container: Container, reason: str, turn: Turn) -> None:
        """End it now."""
        self.index.remove(container)
        if container.state is states.STARTING:
            self._leave_starting(container)
        if container.state in (states.STARTING, states.READY):
            self.live -= 1
        if container.state is not states.STOPPING:
            container.move("stopped", turn.now, reason)
            self.host.leaving += 1
        self._not_due(container)
        turn.commands.append(KillContainer(container.container_id, reason))

    def _leave_starting(self, container: Container) -> None:
        self._starts.end(container)
        self.starting -= 1
        self.host.starting -= 1

    # --- time ---------------------------------------------------------------------------------------------------------

    def overdue_starts(self, now: float) -> Iterator[Container]:
        """Containers that have been starting for longer than `startup_timeout`."""
        return self._starts.overdue(now)

    def overstayed(self, now: float) -> Iterator[tuple[Container, str]]:
        """Containers that had to be gone by now, each with what kept them."""
        for container in self._freezes.overdue(now):
            yield container, "frozen"
        for container in self._drains.overdue(now):
            yield container, "draining"
        for attempt, container in self._stuck.overdue(now):
            if attempt in container.stuck and container.state is states.DRAINING:
                yield container, "holding a cancelled input"

    def kill_overdue_stops(self, turn: Turn) -> None:
        """Containers that were asked to stop and have used up their grace."""
        for container in self._stops.overdue(turn.now):
            self.kill(container, "did not stop in time", turn)
        if self._stops and self._closing_deadline is not None:
            if self._closing_deadline > turn.now:
                self._alarm(self._closing_deadline)
                return
            for container in list(self._stops):
                self.kill(container, "did not stop in time", turn)

    def _not_due(self, container: Container) -> None:
        """Nothing is expected of it any more."""
        self._freezes.end(container)
        self._drains.end(container)
        self._stops.end(container)

    def close(self, grace: float, turn: Turn) -> None:
        """Stop everything: running exit hooks for `grace` seconds at most; nothing starts any more."""
        self._closing_deadline = turn.now + grace
        self._alarm(self._closing_deadline)
        for container in list(self.containers.values()):
            if container.state is states.STARTING:
                self.kill(container, self.end_reason, turn)
            elif container.state is not states.STOPPING:
                self.stop(container, self.end_reason, turn)

    def check(self) -> None:
        """Raise `InternalError` unless the bookkeeping agrees with the containers."""
        alive = list(self.containers.values())
        facts = {
            "live": self.live == sum(c.state in (states.STARTING, states.READY) for c in alive),
            "starting": self.starting == len(self._starts)
            and set(self._starts) == {c for c in alive if c.state is states.STARTING},
            "due": {*self._freezes, *self._drains, *self._stops} <= set(alive),
            "draining": all(c.state is states.DRAINING for c in self._drains),
            "stuck": all(c.stuck <= c.running.keys() or c.state is states.STOPPING for c in alive),
            "drained for a reason": all(
                c.leaving or c.stuck or c in self._freezes for c in alive if c.state is states.DRAINING
            ),
            "frozen": all(c in self._freezes for c in alive if c.state is states.FROZEN),
            "blocked": self.held_up == {c for c in alive if c.blocked},
            "stopping": all(c.state is states.STOPPING for c in self._stops),
            "max_inputs": all(len(c.running) <= self.max_inputs for c in alive),
            "routable": all((c in self.index) == c.takes_inputs for c in alive),
            "busy ones are not stopped": self._closing_deadline is not None
            or not any(c.state is states.STOPPING and any(c.running.values()) for c in alive),
        }
        broken = [name for name, holds in facts.items() if not holds]
        if broken:
            raise InternalError(f"fleet of {self.function_id}: {', '.join(broken)}: {alive}")
