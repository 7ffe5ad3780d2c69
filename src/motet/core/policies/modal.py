"""The policy that Modal documents."""

from __future__ import annotations

from dataclasses import dataclass

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision
from motet.core.policies.motet import for_demand
from motet.model.scaling import AutoscalerSettings


@dataclass(frozen=True, slots=True)
class ModalPolicy:
    """A container more when inputs exceed the capacity of all; one fewer when it was idle for `scaledown_window`.

    Source: Modal's guides on scaling and input concurrency. What its servers do beyond that is not public.
    """

    span: float = 0.0
    foresees: bool = False

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        return for_demand(demand, facts.target_inputs)
