"""What a pool's policy is told, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable

from motet.core.arrivals import Arrivals
from motet.core.autoscaler import (
    NOTHING_RUNS,
    BoundedDecision,
    Demand,
    Policy,
    PoolFacts,
    Running,
    ScalingDecision,
    bound,
)
from motet.core.history import History
from motet.model.scaling import AutoscalerSettings

COLD_START_SHARE, SERVICE_TIME_SHARE = 0.2, 0.05
"""How much of these averages the newest observation is."""
ENOUGH = 20
"""Inputs that must have ended before their time counts as known."""
SHORTEST = 0.01
"""Seconds that arrivals are averaged over at least."""


class Scaler:
    """Asks the policy, keeps its answer within the bounds, and learns what policies like to know."""

    __slots__ = (
        "_alarm",
        "_arrivals",
        "_counted",
        "_ended",
        "_history",
        "_last",
        "_policy",
        "_service_time",
        "cold_start",
        "max_inputs",
        "running",
        "submitted",
        "target_inputs",
    )

    def __init__(self, policy: Policy, max_inputs: int, target_inputs: int, alarm: Callable[[float], None]) -> None:
        self.max_inputs = max_inputs
        self.target_inputs = target_inputs
        self.cold_start: float | None = None
        self._service_time = 0.0
        self._ended = 0
        self.submitted = 0
        """Inputs that came, ever."""
        self.running: Running = NOTHING_RUNS
        """Those that run now."""
        self._counted = 0
        self._arrivals = Arrivals()
        self._policy = policy
        self._alarm = alarm
        self._history = History(policy.span)
        self._last: ScalingDecision | None = None

    def decide(
        self, demand: Demand, live: int, starting: int, settings: AutoscalerSettings, limit: int, now: float
    ) -> BoundedDecision:
        """The size that the pool should have now, `limit` containers at most; of `live` ones, some are `starting`."""
        if self.submitted != self._counted:
            self._arrivals.came(self.submitted - self._counted, now)
            self._counted = self.submitted
        if self._history.span:
            self._history.record(demand.inputs + demand.alone, now)
        facts = PoolFacts(
            self.max_inputs,
            self.target_inputs,
            live,
            starting,
            self.cold_start,
            self._service_time if self._ended >= ENOUGH else None,
            self.running,
            self._arrivals,
            self._history,
            self._last,
        )
        decision = self._last = self._policy.decide(demand, facts, settings, now)
        if decision.again_at is not None:
            self._alarm(decision.again_at)
        return bound(decision, demand, settings, limit)

    def started(self, seconds: float) -> None:
        """A container became ready; it took this long."""
        before = seconds if self.cold_start is None else self.cold_start
        self.cold_start = before + COLD_START_SHARE * (seconds - before)
        self._arrivals.memory = max(self.cold_start, SHORTEST)

    def served(self, seconds: float) -> None:
        """An attempt ended; it ran for this long."""
        count = self._ended = self._ended + 1
        self._service_time += (seconds - self._service_time) * (SERVICE_TIME_SHARE if count > ENOUGH else 1 / count)
