"""What is simulated: a load, the function that it meets, and the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from motet.core.host import HostLimits
from motet.errors import InvalidError
from motet.model.function import FunctionSpec, ImportedDefinition
from motet.model.scaling import (
    MAX_BATCH_SIZE_LIMIT,
    MAX_BATCH_WAIT_MS,
    MAX_SCALEDOWN_WINDOW,
    AutoscalerSettings,
    Batching,
    Concurrency,
)
from motet.simulation.curve import Curve
from motet.simulation.distribution import Distribution
from motet.simulation.measured_curve import MeasuredCurve
from motet.simulation.trace import LONGEST, Trace

MOST_CONTAINERS = 10_000
WIDE_LIMITS = HostLimits(
    containers_per_pool=MOST_CONTAINERS, starting=MOST_CONTAINERS, waiting=10**9, waiting_spawned=10**9
)
"""A host so large that only the function's own settings limit it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load and all it meets but the policy. Where the trace has no durations, they are drawn from `duration`.

    `overhead`: the seconds that an attempt, or a batch, has its slot besides, for the way there and back.
    `input_failures`, `start_failures`: the chance that an attempt fails, that a container dies while it starts;
    `container_failures`: the chance that one dies in a second of its life after that. All else that is drawn is drawn from
    `seed`, so that the same scenario always goes the same way, and every policy meets the same inputs. Raises `InvalidError`.
    """

    trace: Trace
    concurrency: Concurrency = Concurrency()
    batching: Batching | None = None
    autoscaler: AutoscalerSettings = AutoscalerSettings()
    duration: Distribution = Distribution(0.2, "exponential")
    curve: Curve | MeasuredCurve = Curve()
    cold_start: Distribution = Distribution(1.0)
    overhead: float = 0.0
    input_failures: float = 0.0
    start_failures: float = 0.0
    container_failures: float = 0.0
    limits: HostLimits = WIDE_LIMITS
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("input_failures", "start_failures", "container_failures"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise InvalidError(f"{name} is a chance between 0 and 1, got {value:g}")
        if self.container_failures == 1:
            raise InvalidError("container_failures must be less than 1: nothing would ever run")
        for name in ("duration", "cold_start"):
            if (mean := getattr(self, name).mean) > LONGEST:
                raise InvalidError(f"{name} must be at most {LONGEST:,.0f} seconds on average, got {mean:g}")
        if not 0 <= self.overhead <= LONGEST:
            raise InvalidError(f"overhead must be between 0 and {LONGEST:,.0f} seconds, got {self.overhead:g}")
        for name in ("min_containers", "max_containers", "buffer_containers"):
            if (getattr(self.autoscaler, name) or 0) > MOST_CONTAINERS:
                value = getattr(self.autoscaler, name)
                raise InvalidError(f"{name} must be at most {MOST_CONTAINERS:,} in a simulation, got {value:,}")

    @property
    def spec(self) -> FunctionSpec:
        """The function that the inputs are for."""
        return FunctionSpec(
            name=self.trace.name,
            app_name="simulation",
            definition=ImportedDefinition(module="simulation", qualname="f"),
            concurrency=self.concurrency,
            batching=self.batching,
            autoscaler=self.autoscaler,
            timeout=LONGEST,
            startup_timeout=LONGEST,
        )

    def dice(self, purpose: str) -> Random:
        """Random numbers for one purpose, which do not depend on how many were drawn for others."""
        return Random(f"{self.seed} {purpose}")

    def durations(self) -> Sequence[float]:
        """How long each input of the trace runs alone."""
        if self.trace.durations is not None:
            return self.trace.durations
        draw = self.duration.drawn_by(self.dice("durations"))
        return [draw() for _ in self.trace.arrivals]


def settings_for(
    *,
    max_inputs: int,
    target_inputs: int | Literal["auto"] | None,
    slo_p95: float | None = None,
    min_containers: int,
    max_containers: int | None,
    buffer_containers: int,
    scaledown_window: float,
) -> tuple[Concurrency, AutoscalerSettings]:
    """These numbers as a function's settings. Raises `InvalidError` that names the wrong one, and what it may be."""
    most = MOST_CONTAINERS if max_containers is None else max_containers
    for name, value, low, high, of_what in (
        ("max_inputs", max_inputs, 1, 1000, ""),
        ("target_inputs", None if target_inputs == "auto" else target_inputs, 1, max_inputs, " (max_inputs)"),
        ("max_containers", max_containers, 1, MOST_CONTAINERS, ""),
        ("min_containers", min_containers, 0, most, " (max_containers)" if max_containers is not None else ""),
        ("buffer_containers", buffer_containers, 0, MOST_CONTAINERS, ""),
    ):
        if value is not None and not low <= value <= high:
            raise InvalidError(f"{name} must be between {low} and {high}{of_what}, got {value}")
    if not 0 < scaledown_window <= MAX_SCALEDOWN_WINDOW:
        raise InvalidError(
            f"scaledown_window must be more than 0 and at most {MAX_SCALEDOWN_WINDOW:g} seconds, got {scaledown_window:g}"
        )
    concurrency = Concurrency(
        max_inputs=max_inputs,
        target_inputs=max_inputs if target_inputs is None else target_inputs,
        slo_p95=slo_p95,
    )
    return concurrency, AutoscalerSettings(
        min_containers=min_containers,
        max_containers=max_containers,
        buffer_containers=buffer_containers,
        scaledown_window=scaledown_window,
    )


def batching_for(batch_size: int | None, wait_ms: int | Literal["auto"] | None) -> Batching | None:
    """These numbers as a function's batching; None if there are none. Raises `InvalidError`."""
    if batch_size is None and wait_ms is None:
        return None
    if batch_size is None or wait_ms is None:
        raise InvalidError("batch_size and wait_ms go together: inputs per batch, and how long the first one waits")
    if not 1 <= batch_size <= MAX_BATCH_SIZE_LIMIT:
        raise InvalidError(f"batch_size must be between 1 and {MAX_BATCH_SIZE_LIMIT}, got {batch_size}")
    if wait_ms != "auto" and not 0 <= wait_ms <= MAX_BATCH_WAIT_MS:
        raise InvalidError(f"wait_ms must be auto or between 0 and {MAX_BATCH_WAIT_MS}, got {wait_ms}")
    return Batching(max_batch_size=batch_size, wait_ms=wait_ms)


def limits_for(max_starting: int | None) -> HostLimits:
    """A wide host on which at most so many containers start at the same time. Raises `InvalidError`."""
    if max_starting is None:
        return WIDE_LIMITS
    if not 1 <= max_starting <= MOST_CONTAINERS:
        raise InvalidError(f"max_starting must be between 1 and {MOST_CONTAINERS}, got {max_starting}")
    return replace(WIDE_LIMITS, starting=max_starting)
