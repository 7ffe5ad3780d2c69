"""The loop around the engine on virtual time: carries out its commands on containers that are only numbers."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

from motet.core import commands as c
from motet.core import events as e
from motet.core.engine import Engine
from motet.core.policies import POLICIES
from motet.errors import InternalError, InvalidError
from motet.model.outcome import AttemptEnd, CallKind, NewInput, OutcomeKind
from motet.simulation.container import SimulatedContainer
from motet.simulation.learning import Learning
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario
from motet.simulation.timeline import TimelineRecorder, percentile

_FUNCTION, _CALL, _CLIENT = "fu-1", "fc-1", 1
# All inputs are one call: it is what makes its pool serve them in the order in which they come.
_READY, _ATTEMPTS_DUE, _DIES = range(3)
PATIENCE = 3600.0
"""Seconds after which inputs that nothing is done for are given up."""
LONGEST_TAIL = 7200.0
"""Seconds that the pool has to come back to its minimum once there are no inputs."""


def simulate(scenario: Scenario, policy: str = "motet", *, checked: bool = False) -> Report:
    """How a policy of `POLICIES` does. Deterministic; `checked` has the engine check itself after each step, which is slow.

    Raises `InvalidError` if there is no such policy.
    """
    check_policy(policy)
    return _Simulator(scenario, policy, checked=checked).run()


def check_policy(name: str) -> None:
    """Raises `InvalidError` if there is no such policy."""
    if name not in POLICIES:
        raise InvalidError(f"unknown policy {name!r}; it must be one of {', '.join(POLICIES)}")


def _failure(error: Exception) -> bytes:
    return b""


class _Simulator:
    def __init__(self, scenario: Scenario, policy: str, *, checked: bool) -> None:
        self._scenario = scenario
        self._policy = policy
        self._checked = checked
        self._engine = Engine(failure=_failure, limits=scenario.limits, policy=POLICIES[policy])
        self._arrivals = scenario.trace.arrivals
        self._arrived = 0
        self._durations = scenario.durations()
        self._overhead = scenario.overhead
        self._latencies: list[float | None] = [None] * len(self._arrivals)
        self._ended = bytearray(len(self._arrivals))
        self._unfinished = len(self._arrivals)
        self._failed = 0
        self._speeds = scenario.curve.speeds(scenario.concurrency.max_inputs)
        self._containers: dict[str, SimulatedContainer] = {}
        self._running = 0
        self._starting = 0
        self._started = 0
        self._peak = 0
        self._peak_inputs = 0
        self._peak_waiting = 0
        self._container_seconds = 0.0
        self._now = 0.0
        self._busy_at = 0.0
        """The last moment at which anything ran or started."""
        self._wake_at = math.inf
        self._plans: list[tuple[float, int, int, SimulatedContainer]] = []
        self._numbers = itertools.count()
        self._touched: dict[SimulatedContainer, None] = {}
        """Containers whose attempts changed since they were planned."""
        self._batches: dict[int, list[int]] = {}
        """The attempts that run as one, by the first one's number."""
        self._events: list[e.Event] = []
        """What has happened now, and the engine does not know yet."""
        self._cold_start = scenario.cold_start.drawn_by(scenario.dice("cold starts"))
        self._luck = scenario.dice("failures")
        self._carry_out: dict[type[c.Command], Callable[[Any], None]] = {
            c.StartContainer: self._start,
            c.StopContainer: self._end,
            c.KillContainer: self._end,
            c.DeliverAttempts: self._deliver,
            c.DeliverBatch: self._deliver_batch,
            c.CancelAttempts: self._cancel,
            c.ResumeContainer: lambda command: None,
            c.SendOutcomes: self._take_outcomes,
            c.ReportDecision: lambda _: None,
            c.WakeAt: self._wake,
        }

    def run(self) -> Report:
        """From the first moment to the last."""
        trace = self._scenario.trace
        recorder = TimelineRecorder(max(self._arrivals[-1] if len(trace.arrivals) else 1.0, 1.0) / 200)
        learning = Learning(lambda now: self._engine.inspection.learned_target(_FUNCTION, now))
        self._events.append(e.FunctionAdded(_FUNCTION, "ap-1", self._scenario.spec))
        while True:
            self._settle()
            waiting = self._engine.inspection.waiting(_FUNCTION)
            self._peak_waiting = max(self._peak_waiting, waiting)
            recorder.look(self._now, len(self._containers), waiting)
            if self._arrived < len(self._arrivals):
                learning.look(self._now)
            moment = self._next_moment()
            if self._is_over(moment):
                break
            self._now = moment
            self._happen()
        now = self._now
        self._container_seconds += sum(now - container.started_at for container in self._containers.values())
        latencies = sorted(latency for latency in self._latencies if latency is not None)
        return Report(
            policy=self._policy,
            trace=trace.name,
            seed=self._scenario.seed,
            inputs=len(self._arrivals),
            errors=self._failed + self._unfinished,
            p50=percentile(latencies, 0.5),
            p95=percentile(latencies, 0.95),
            p99=percentile(latencies, 0.99),
            mean=math.fsum(latencies) / len(latencies) if latencies else None,
            container_seconds=self._container_seconds,
            cold_starts=self._started,
            peak_containers=self._peak,
            peak_inputs=self._peak_inputs,
            peak_waiting=self._peak_waiting,
            unfinished=self._unfinished,
            seconds=now,
            timeline=recorder.timeline(self._arrivals, self._latencies),
            target_inputs=learning.target_inputs,
            target_confidence=learning.confidence,
            target_after=learning.after,
        )

    # --- time ---------------------------------------------------------------------------------------------------------

    def _next_moment(self) -> float:
        moment = self._wake_at
        if self._plans and self._plans[0][0] < moment:
            moment = self._plans[0][0]
        if self._arrived < len(self._arrivals) and self._arrivals[self._arrived] < moment:
            moment = self._arrivals[self._arrived]
        return max(moment, self._now)

    def _is_over(self, moment: float) -> bool:
        if self._running or self._starting:
            self._busy_at = self._now
            return False
        if self._arrived < len(self._arrivals):
            return False
        if moment == math.inf:
            return True
        if self._unfinished:
            return moment > self._busy_at + PATIENCE
        at_minimum = len(self._containers) <= self._scenario.autoscaler.min_containers
        return at_minimum or moment > self._busy_at + LONGEST_TAIL

    def _happen(self) -> None:
        """All that happens at this instant: first what containers do, then what comes from outside."""
        now, plans, events = self._now, self._plans, self._events
        while plans and plans[0][0] <= now:
            _, _, kind, container = heapq.heappop(plans)
            if container.container_id not in self._containers:
                continue
            if kind == _ATTEMPTS_DUE:
                if container.due == now:
                    self._finish(container)
            elif kind == _READY:
                self._starting -= 1
                container.is_ready = True
                events.append(e.ContainerReady(container.container_id))
                if self._scenario.container_failures:
                    self._plan(now + self._lifetime(), _DIES, container)
            else:
                self._remove(container, "died")
        arrivals, first = self._arrivals, self._arrived
        if first < len(arrivals) and arrivals[first] <= now:
            last = first + 1
            while last < len(arrivals) and arrivals[last] <= now:
                last += 1
            self._arrived = last
            inputs = [NewInput(index, b"") for index in range(first, last)]
            events.append(e.InputsSubmitted(_CALL, _FUNCTION, _CLIENT, CallKind.ATTACHED, "", inputs))
        if self._wake_at <= now:
            self._wake_at = math.inf
            events.append(e.TimerFired())

    def _settle(self) -> None:
        """Have the engine decide on what has happened, and on what happens at once because of that; then plan."""
        carry_out = self._carry_out
        while self._events:
            events, self._events = self._events, []
            for command in self._engine.handle(events, self._now):
                carry_out[type(command)](command)
        if self._checked:
            self._engine.check()
        for container in self._touched:
            due = container.plan(self._now)
            if due is not None:
                heapq.heappush(self._plans, (due, next(self._numbers), _ATTEMPTS_DUE, container))
        self._touched.clear()

    def _plan(self, moment: float, kind: int, container: SimulatedContainer) -> None:
        heapq.heappush(self._plans, (moment, next(self._numbers), kind, container))

    def _lifetime(self) -> float:
        return self._luck.expovariate(-math.log1p(-self._scenario.container_failures))

    # --- containers ---------------------------------------------------------------------------------------------------

    def _start(self, command: c.StartContainer) -> None:
        container = SimulatedContainer(command.container_id, self._now, self._speeds)
        self._containers[command.container_id] = container
        self._started += 1
        self._starting += 1
        self._peak = max(self._peak, len(self._containers))
        fails = self._scenario.start_failures and self._luck.random() < self._scenario.start_failures
        self._plan(self._now + self._cold_start(), _DIES if fails else _READY, container)

    def _end(self, command: c.StopContainer | c.KillContainer) -> None:
        container = self._containers.get(command.container_id)
        if container is not None:
            self._remove(container, "was told to end")

    def _remove(self, container: SimulatedContainer, how: str) -> None:
        del self._containers[container.container_id]
        self._running -= len(container)
        self._starting -= not container.is_ready
        self._touched.pop(container, None)
        for attempt in container:
            self._batches.pop(attempt, None)
        self._container_seconds += self._now - container.started_at
        self._events.append(e.ContainerEnded(container.container_id, how))

    # --- attempts -----------------------------------------------------------------------------------------------------

    def _deliver(self, command: c.DeliverAttempts) -> None:
        container = self._containers[command.container_id]
        durations, overhead = self._durations, self._overhead
        for delivery in command.attempts:
            container.begin(delivery.attempt, durations[delivery.index] + overhead, self._now)
        self._peak_inputs = max(self._peak_inputs, len(container))
        self._running += len(command.attempts)
        self._touched[container] = None

    def _deliver_batch(self, command: c.DeliverBatch) -> None:
        container = self._containers[command.container_id]
        attempts = [delivery.attempt for delivery in command.attempts]
        duration = self._scenario.curve.batch([self._durations[delivery.index] for delivery in command.attempts])
        self._batches[attempts[0]] = attempts
        container.begin(attempts[0], duration + self._overhead, self._now)
        self._peak_inputs = max(self._peak_inputs, sum(len(self._batches[first]) for first in container))
        self._running += 1
        self._touched[container] = None

    def _members(self, attempts: list[int]) -> list[int]:
        """These, and those that ran in one batch with them."""
        if not self._batches:
            return attempts
        return [member for attempt in attempts for member in self._batches.pop(attempt, (attempt,))]

    def _finish(self, container: SimulatedContainer) -> None:
        finished = container.finish_due(self._now)
        self._running -= len(finished)
        self._touched[container] = None
        ends = [AttemptEnd(attempt, self._ending(), b"") for attempt in self._members(finished)]
        self._events.append(e.AttemptsFinished(container.container_id, ends))

    def _ending(self) -> OutcomeKind:
        chance = self._scenario.input_failures
        return OutcomeKind.FAILURE if chance and self._luck.random() < chance else OutcomeKind.SUCCESS

    def _cancel(self, command: c.CancelAttempts) -> None:
        container = self._containers[command.container_id]
        cancelled = [attempt for attempt in command.attempts if container.cancel(attempt, self._now)]
        self._running -= len(cancelled)
        self._touched[container] = None
        ends = [AttemptEnd(attempt, OutcomeKind.CANCELLED, b"") for attempt in self._members(cancelled)]
        self._events.append(e.AttemptsFinished(container.container_id, ends))

    def _take_outcomes(self, command: c.SendOutcomes) -> None:
        for ended in command.ended:
            index = ended.index
            if self._ended[index]:
                raise InternalError(f"input {index} of the simulation has ended twice")
            self._ended[index] = True
            self._unfinished -= 1
            if ended.kind is OutcomeKind.SUCCESS:
                self._latencies[index] = self._now - self._arrivals[index]
            else:
                self._failed += 1

    def _wake(self, command: c.WakeAt) -> None:
        self._wake_at = command.deadline
