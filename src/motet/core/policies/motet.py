"""Motet's own policy: containers for what there is, at once, unless they would come too late to be of use."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision, containers_for
from motet.model.scaling import AutoscalerSettings

PLAIN = "{} {} at {} each want {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MotetPolicy:
    """As many containers as have room for all inputs at target.

    For those in excess of what there is, it starts at once as many as will have something to do: it knows how long starts
    and inputs take, and how many inputs come. By the time that a new container is ready, the present ones have served
    some of the excess; what is left then is to be served within `catch_up` times a cold start, and not by a container for
    each. While it does not know, every start pays. If there is an excess still after `patience` times a cold start, it has
    been wrong, and starts as many as have room for all.
    """

    catch_up: float = 0.5
    patience: float = 3.0
    span: float = 0.0

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        target = facts.target_inputs
        needed = -(-demand.inputs // target)
        if needed <= facts.live and not demand.alone:  # as it is most of the time, so this must be quick
            return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target, needed))
        if settings.buffer_containers or demand.alone or demand.unit != "inputs":
            return for_demand(demand, target)
        cold_start, service_time = facts.cold_start, facts.service_time
        if not cold_start or not service_time or facts.live == settings.max_containers:
            return for_demand(demand, target)

        memory = None if facts.last is None else facts.last.memory
        excess_since = memory if isinstance(memory, float) else now
        patience_ends = excess_since + self.patience * cold_start
        if now >= patience_ends:
            return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target, needed), memory=excess_since)
        # Those that run may be of another kind than those that have ended.
        service_time = max(service_time, facts.running.age(now) / 2)
        rate = facts.arrivals.rate(now)
        steady = rate * service_time
        served = min(demand.inputs, facts.ready * facts.max_inputs) / service_time
        then = max(steady, demand.inputs + (rate - served) * cold_start)
        at_once = min(1.0, service_time / (self.catch_up * cold_start))
        useful = ceil((steady + (then - steady) * at_once) / target)
        desired = max(facts.live, min(useful, needed))
        if desired == needed:
            return for_demand(demand, target)
        return ScalingDecision(
            desired,
            "{} inputs at {} each want {}, of which {} pay: a start takes {:.3g} s, an input {:.3g} s, {:.3g}/s come",
            (demand.inputs, target, needed, desired, cold_start, service_time, rate),
            again_at=patience_ends,
            memory=excess_since,
        )


def for_demand(demand: Demand, target_inputs: int) -> ScalingDecision:
    """The containers that this demand calls for, now."""
    needed = containers_for(demand, target_inputs)
    if demand.alone:
        numbers = (demand.inputs, demand.unit, target_inputs, demand.alone, needed)
        return ScalingDecision(needed, "{} {} at {} each and {} alone want {}", numbers)
    return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target_inputs, needed))
