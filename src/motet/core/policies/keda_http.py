"""The policy of KEDA's HTTP add-on: its own activation, and Kubernetes' horizontal pod autoscaler beyond one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision
from motet.model.scaling import AutoscalerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class KedaHttpPolicy:
    """One container as soon as there is a request; more from a look every `period` seconds; none after `cooldown`.

    Source: the HTTP add-on's and KEDA's defaults, and those of Kubernetes' HorizontalPodAutoscaler: a tenth of tolerance,
    at most four more or twice as many per period, and down to the most that was wanted within `stabilisation` seconds.
    `target_inputs` stands for the target concurrency of the scaler.
    """

    period: float = 15.0
    tolerance: float = 0.1
    most_more: int = 4
    most_times: float = 2.0
    stabilisation: float = 300.0
    cooldown: float = 300.0
    foresees: bool = False

    @property
    def span(self) -> float:
        """Seconds of history that it looks back on."""
        return self.cooldown

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        metric = demand.inputs + demand.alone
        last = facts.last
        replicas = facts.live if last is None else last.desired
        if last is not None and replicas and last.again_at is not None and now < last.again_at:
            return last
        before = last.memory if last is not None and isinstance(last.memory, tuple) else ()
        wanted: tuple[tuple[float, int], ...] = ()
        if replicas == 0:
            desired = int(metric > 0)
        elif not metric and facts.history.average(self.cooldown, now) == 0:
            desired = 0
        else:
            desired, wanted = self._look(metric, replicas, before, facts.target_inputs, now)
        return ScalingDecision(
            desired,
            "HPA: {} concurrent requests at {} each; {} wanted of late",
            (metric, facts.target_inputs, max((count for _, count in wanted), default=desired)),
            again_at=now + self.period if desired else None,
            memory=wanted,
            drains=True,
        )

    def _look(
        self, metric: int, replicas: int, before: tuple[tuple[float, int], ...], target: int, now: float
    ) -> tuple[int, tuple[tuple[float, int], ...]]:
        """The size, and what was worked out within the stabilisation window with the time of each."""
        within = abs(metric / (target * replicas) - 1) <= self.tolerance
        raw = replicas if within else max(1, math.ceil(metric / target))
        wanted = (*((at, count) for at, count in before if at >= now - self.stabilisation), (now, raw))
        if raw >= replicas:
            return min(raw, max(replicas + self.most_more, math.ceil(replicas * self.most_times))), wanted
        return min(replicas, max(count for _, count in wanted)), wanted
