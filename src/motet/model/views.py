"""What the outside is shown of functions and containers: values, taken at one instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerView:
    """One container: its state (starting, ready, draining, stopping) and how many inputs it runs and has run."""

    container_id: str
    state: str
    running_inputs: int
    finished_inputs: int
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionView:
    """One function's pool: waiting and running inputs, ended ones by outcome, and its containers.

    `started_containers` counts every container ever started; `last_decision` says why the pool has the size it has.
    `shortage` is what the host lacks for the containers it wants ("waiting for a GPU: ..."), or empty.
    `max_inputs` and `target_inputs` are inputs per container: where they run in batches, the size of those is counted in.
    """

    function_id: str
    name: str
    waiting_inputs: int
    running_inputs: int
    succeeded_inputs: int
    failed_inputs: int
    cancelled_inputs: int
    max_inputs: int
    target_inputs: int
    started_containers: int
    peak_containers: int
    containers: tuple[ContainerView, ...]
    last_decision: str
    shortage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppView:
    """One running app and its functions."""

    app_id: str
    name: str
    functions: tuple[FunctionView, ...]
