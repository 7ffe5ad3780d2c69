"""What `get_current_stats` gives: a function's pool in five numbers."""

from __future__ import annotations

from dataclasses import dataclass

from motet.model.views import FunctionView, LearnedTargetView


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionStats:
    """A pool at one instant: inputs that wait, containers, inputs that run, and free slots in its containers.

    `learned_target`: with `target_inputs="auto"`, the target, how sure it is, and the curve it was learned from; else None.
    """

    backlog: int
    num_total_runners: int
    num_running_inputs: int
    input_headroom: int
    learned_target: LearnedTargetView | None = None


def stats_of(view: FunctionView) -> FunctionStats:
    """The numbers of a view."""
    running = sum(container.running_inputs for container in view.containers)
    ready = sum(container.state == "ready" for container in view.containers)
    return FunctionStats(
        backlog=view.waiting_inputs,
        num_total_runners=len(view.containers),
        num_running_inputs=view.running_inputs,
        input_headroom=max(0, ready * view.max_inputs - running),
        learned_target=view.learned_target,
    )
