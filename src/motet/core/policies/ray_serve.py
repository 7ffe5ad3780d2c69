"""The policy of Ray Serve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision
from motet.model.scaling import AutoscalerSettings


class _RayServeMemory(NamedTuple):
    total: float
    """The ongoing requests that the controller knows of."""
    seen_at: float
    """When it was told."""
    towards: int
    """Which way it has wanted to go at every tick since `since`: 1 up, -1 down, 0 neither."""
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RayServePolicy:
    """The mean of ongoing requests over `look_back` seconds; a change is made once it was wanted for a whole delay.

    Source: Ray's `python/ray/serve/autoscaling_policy.py`, `config.py` and `_private/constants.py`, with the defaults they
    ship. `target_inputs` stands for `target_ongoing_requests`. Replicas report every `metrics_interval` seconds; a request
    that finds no replica is reported at once, and starts one without delay. The controller's 0.1 s loop counts ticks that
    all want the same way; here that is a span of time, which is the same.
    """

    look_back: float = 30.0
    metrics_interval: float = 10.0
    upscale_delay: float = 30.0
    downscale_delay: float = 600.0
    downscale_to_zero_delay: float | None = None
    upscaling_factor: float = 1.0
    downscaling_factor: float = 1.0
    foresees: bool = False

    @property
    def span(self) -> float:
        """Seconds of history that it looks back on."""
        return self.look_back

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        in_flight = demand.inputs + demand.alone
        target = facts.live if facts.last is None else facts.last.desired
        memory = _RayServeMemory(0.0, -math.inf, 0, now)
        if facts.last is not None and isinstance(facts.last.memory, _RayServeMemory):
            memory = facts.last.memory
        total, seen_at = memory.total, memory.seen_at
        if now >= seen_at + self.metrics_interval:
            total, seen_at = facts.history.average(self.look_back, now), now
        towards, since = 0, now
        if facts.ready == 0 and (target == 0 or in_flight):
            if in_flight:
                target = max(math.ceil(self.upscaling_factor), target)
        else:
            wanted = self._wanted(total, target, facts, settings)
            towards = (wanted > target) - (wanted < target)
            since = memory.since if towards == memory.towards else now
            if towards and now >= since + self._delay(towards, target):
                target, towards = wanted, 0
        asleep = target == 0 and not facts.live
        return ScalingDecision(
            target,
            "Ray Serve: {} ongoing requests at {} each; {}",
            (round(total, 3), facts.target_inputs, ("no change", "waits to go up", "waits to go down")[towards]),
            again_at=None if asleep else self._next(now, seen_at, towards, since, target),
            memory=_RayServeMemory(total, seen_at, towards, since),
            drains=True,
        )

    def _wanted(self, total: float, target: int, facts: PoolFacts, settings: AutoscalerSettings) -> int:
        current, raw = facts.ready, total / facts.target_inputs
        factor = self.upscaling_factor if raw > current else self.downscaling_factor
        wanted = math.ceil(round(current + factor * (raw - current), 9))
        if math.ceil(raw) < current == wanted:
            wanted -= 1
        most = settings.max_containers
        wanted = max(wanted, settings.min_containers)
        wanted = wanted if most is None else min(wanted, most)
        return max(1, wanted) if wanted < target != 1 else wanted  # only one goes to zero

    def _delay(self, towards: int, target: int) -> float:
        if towards > 0:
            return self.upscale_delay
        if target == 1 and self.downscale_to_zero_delay is not None:
            return self.downscale_to_zero_delay
        return self.downscale_delay

    def _next(self, now: float, seen_at: float, towards: int, since: float, target: int) -> float:
        report = seen_at + self.metrics_interval
        return min(report, max(now, since + self._delay(towards, target))) if towards else report
