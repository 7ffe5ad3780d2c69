"""The queue-depth policy of beta9."""

from __future__ import annotations

from dataclasses import dataclass

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision
from motet.model.scaling import AutoscalerSettings


@dataclass(frozen=True, slots=True)
class Beta9Policy:
    """Containers for the inputs of one sample, taken every `tick` seconds and whenever an input comes.

    Source: beta9's `pkg/abstractions/common/autoscaler.go` and `.../endpoint/autoscaler.go`. An idle container goes when it
    has been so for `keep_warm` seconds. `target_inputs` stands for `tasks_per_container`; `max_replicas` is the cap of the
    gateway, 10 as shipped, which whoever runs one sets: None leaves it to `max_containers`.
    """

    tick: float = 1.0
    keep_warm: float = 180.0
    max_replicas: int | None = None
    span: float = 0.0
    foresees: bool = False

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        in_flight = demand.inputs + demand.alone
        last = facts.last
        if last is not None and last.again_at is not None and now < last.again_at and in_flight <= int(last.numbers[0]):
            return last
        desired = -(-in_flight // facts.target_inputs)
        if self.max_replicas is not None:
            desired = min(desired, self.max_replicas)
        return ScalingDecision(
            desired,
            "{} in flight at {} each want {}",
            (in_flight, facts.target_inputs, desired),
            again_at=now + self.tick if facts.live or in_flight else None,
            idle_window=self.keep_warm,
        )
