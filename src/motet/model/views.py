"""What the outside is shown of functions and containers: values, taken at one instant."""

from __future__ import annotations

import msgspec

from motet.model.attempt import AttemptRecord
from motet.model.isolation import Isolation


class ContainerView(msgspec.Struct, frozen=True, kw_only=True):
    """One container: its state (starting, ready, frozen, draining, stopping; "silent", with how that is known), how many
    inputs it runs and has run, and its isolation level."""

    container_id: str
    state: str
    running_inputs: int
    finished_inputs: int
    age: float
    isolation: Isolation = "process"


class InputView(msgspec.Struct, frozen=True, kw_only=True):
    """One input that has not ended: its state (waiting, delayed, running), since when it waits, and what it runs in.

    `earlier`: its attempts that have ended, where records are kept.

    Moments are wall-clock seconds.
    """

    input_id: str
    call_id: str
    method: str
    state: str
    submitted_at: float
    attempts: int
    container_id: str | None = None
    delivered_at: float | None = None
    earlier: tuple[AttemptRecord, ...] = ()


class TargetPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool has seen of containers that run about so many `inputs` at once (an average).

    `throughput`: inputs per second of one such container. `p50`, `p95`: seconds that its inputs run. `observations`: how many
    were watched; older ones count less.
    """

    inputs: float
    throughput: float
    p50: float
    p95: float
    observations: float


class LearnedTargetView(msgspec.Struct, frozen=True, kw_only=True):
    """The target of a pool with `target_inputs="auto"`, and what it was learned from.

    `target_inputs` is the best that is known; for moments the pool may try another, which `reason` says then.
    `confidence`, from 0 to 1: how well the curve is known around the target. It is 1 when at the target, and at the
    levels next to it, the throughput has a standard error of 10 % at most, or 100 inputs were seen lately. `reason` says why
    the target is what it is now.
    """

    target_inputs: int
    confidence: float
    curve: tuple[TargetPoint, ...]
    reason: str


class FunctionView(msgspec.Struct, frozen=True, kw_only=True):
    """One function's pool: waiting and running inputs, ended ones by outcome, and its containers.

    `started_containers` counts every container ever started; `desired_containers` is how many there are to be, and
    `last_decision` says why.
    `shortage` is what the host lacks for the containers it wants ("waiting for a GPU: ..."), or empty.
    `max_inputs` and `target_inputs` are inputs per container: where they run in batches, the size of those is counted in.
    `learned_target`: with `target_inputs="auto"`, what is known of it.
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
    desired_containers: int = 0
    learned_target: LearnedTargetView | None = None


class AppView(msgspec.Struct, frozen=True, kw_only=True):
    """One running app and its functions. `version`: of the name that it is deployed under; 0: it is a program's, which may have
    left it running (`is_detached`)."""

    app_id: str
    name: str
    functions: tuple[FunctionView, ...]
    version: int = 0
    is_detached: bool = False


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token that there is, without itself. Moments are of the wall clock; `expires_at` is None for one that does not, and
    `last_used_at` for one that was never used. `limits`: what it may have, where that is not what all may."""

    name: str
    rights: tuple[str, ...]
    made_at: float
    expires_at: float | None
    last_used_at: float | None
    limits: tuple[str, ...] = ()
