"""What there is to see of a pool from outside."""

from __future__ import annotations

from motet.core.containers import Container
from motet.core.pool import Pool
from motet.model.outcome import OutcomeKind
from motet.model.views import ContainerView, FunctionView


def view_pool(pool: Pool, now: float) -> FunctionView:
    """One function's inputs and containers as they are now."""
    fleet, counts, learned = pool.fleet, pool.endings.counts, pool.fleet.learned
    per_slot = pool.inputs_per_slot
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
            _view_container(container, pool.inputs_in(container), now) for container in fleet.containers.values()
        ),
        last_decision=pool.size.decision.reason,
        shortage=pool.size.shortage,
        learned_target=None if learned is None else learned.view(now),
    )


def _view_container(container: Container, inputs: int, now: float) -> ContainerView:
    return ContainerView(
        container_id=container.container_id,
        state=container.state,
        running_inputs=inputs,
        finished_inputs=container.finished,
        age=now - container.started_at,
    )
