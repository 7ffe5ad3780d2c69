"""What there is to see of a pool from outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import islice

from motet.core.containers import READY, Container
from motet.core.inputs import ENDED, RUNNING, Call, Input
from motet.core.pool import Pool
from motet.model.isolation import Isolation
from motet.model.outcome import OutcomeKind
from motet.model.views import ContainerView, FunctionView, InputView
from motet.records.facts import SampleRecord


def view_pool(pool: Pool, now: float) -> FunctionView:
    """One function's inputs and containers as they are now."""
    fleet, counts, learned = pool.fleet, pool.endings.counts, pool.fleet.learned
    per_slot = pool.slots.inputs_per_slot
    return FunctionView(
        function_id=fleet.function_id,
        name=pool.spec.name,
        waiting_inputs=pool.waiting,
        running_inputs=pool.running,
        succeeded_inputs=counts[OutcomeKind.SUCCESS],
        failed_inputs=counts[OutcomeKind.FAILURE] + counts[OutcomeKind.TIMED_OUT] + counts[OutcomeKind.LOST],
        cancelled_inputs=counts[OutcomeKind.CANCELLED],
        max_inputs=pool.spec.concurrency.max_inputs * per_slot,
        target_inputs=fleet.target_inputs * per_slot,
        started_containers=fleet.started_total,
        peak_containers=fleet.peak,
        containers=tuple(
            _view_container(container, pool.slots.count_in(container), pool.spec.isolation or "process", now)
            for container in fleet.containers.values()
        ),
        last_decision=pool.size.decision.reason,
        shortage=pool.size.shortage,
        desired_containers=pool.size.decision.desired,
        learned_target=None if learned is None else learned.view(now),
    )


def _view_container(container: Container, inputs: int, isolation: Isolation, now: float) -> ContainerView:
    return ContainerView(
        container_id=container.container_id,
        state=f"silent ({container.silent})" if container.silent and container.state is READY else container.state,
        running_inputs=inputs,
        finished_inputs=container.finished,
        age=now - container.started_at,
        isolation=isolation,
    )


def some_inputs(calls: Collection[Call], pool: Pool, limit: int) -> list[Input]:
    """Unfinished inputs of these calls, which are all of the pool or one, `limit` at most, running ones first. What it looks
    at is bounded by `limit` and by what runs, not by what waits."""
    wanted = None if len(calls) != 1 else next(iter(calls))
    running = (item for item in pool.running_inputs if wanted is None or item.call is wanted)
    found = list(islice(running, limit))
    others = (item for call in calls for item in call.inputs.values() if item.state is not RUNNING)
    return found + list(islice(others, limit - len(found)))


def view_inputs(items: Iterable[Input], wall: Callable[[float], float]) -> list[InputView]:
    """Those of these inputs that have not ended meanwhile; `wall` gives the moments the outside knows."""
    return [view_input(item, wall) for item in items if item.state is not ENDED]


def view_input(item: Input, wall: Callable[[float], float]) -> InputView:
    """One input as it is now."""
    running = item.state is RUNNING
    return InputView(
        input_id=item.input_id,
        call_id=item.call.call_id,
        method=item.call.method,
        state=item.state,
        submitted_at=wall(item.submitted_at),
        attempts=item.attempts,
        container_id=item.container_id,
        delivered_at=wall(item.delivered_at) if running else None,
        earlier=tuple(attempt.later(wall(0.0)) for attempt in item.earlier),
    )


def sample_pool(pool: Pool, at: float) -> SampleRecord:
    """A pool's numbers as they are now; cheap however many containers it has."""
    fleet, counts = pool.fleet, pool.endings.counts
    return SampleRecord(
        at,
        fleet.function_id,
        pool.waiting,
        pool.running,
        counts[OutcomeKind.SUCCESS],
        counts[OutcomeKind.FAILURE] + counts[OutcomeKind.TIMED_OUT] + counts[OutcomeKind.LOST],
        counts[OutcomeKind.CANCELLED],
        fleet.live - fleet.starting,
        fleet.starting,
        len(fleet.containers) - fleet.live,
    )
