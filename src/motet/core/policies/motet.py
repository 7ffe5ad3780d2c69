"""Motet's own policy: containers for what there is, at once, unless they would come too late to be of use."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, sqrt
from typing import NamedTuple

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision, containers_for
from motet.model.scaling import MIN_SCALEDOWN_WINDOW, AutoscalerSettings

LOOKS = 60
"""How often within a `scaledown_window` it looks for containers to spare."""
PLAIN = "{} {} at {} each want {}"


class _Excess(NamedTuple):
    since: float
    """When there began to be more inputs than room."""
    submitted: int
    """How many had come by then."""
    surge: float
    """How many came per second just then, those included that came at that very moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotetPolicy:
    """As many containers as have room for all inputs at target, as soon as that pays; and few that nobody needs.

    For inputs in excess of what there is, it starts at once as many containers as will have something to do: it knows how long
    starts and inputs take, and how many inputs come. By the time that a new container is ready, the present ones have served
    some of the excess, and others have come; what is there then is to be served within `catch_up` times a cold start.

    If more inputs come than usual, and that is no chance (more than `doubt` standard deviations), and lasts, it expects
    the surplus `trend` times over: rates that have risen go on rising. A burst may last `again` times as long as it has lasted,
    so at most `again` times as many inputs are provided for as have come since there was an excess; one that came at once
    is all there.

    While it does not know the times, every start pays. If there is an excess still after `patience` times a cold start, it has
    been wrong, and starts as many as have room for all.

    Containers beyond those that inputs have needed lately go when they have been idle for `grace` times a cold start, or for
    `shortest` seconds if that is more; the others stay for `scaledown_window`.
    """

    catch_up: float = 0.5
    trend: float = 2.0
    doubt: float = 2.0
    again: float = 2.0
    patience: float = 3.0
    grace: float = 1.0
    shortest: float = MIN_SCALEDOWN_WINDOW
    span: float = 0.0

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        target = facts.target_inputs
        needed = -(-demand.inputs // target)
        live = facts.live
        if needed == live and not demand.alone:  # as it is often, so this must be quick
            return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target, needed))
        known = facts.cold_start and facts.service_time
        if not known or settings.buffer_containers or demand.alone or demand.unit != "inputs":
            return for_demand(demand, target)
        if needed < live and facts.held is not None:
            return self._enough(needed, facts.held, demand, facts, settings, now)
        if needed <= live:
            return for_demand(demand, target)
        if live == settings.max_containers:
            return for_demand(demand, target)
        return self._short(needed, demand, facts, now)

    def _enough(
        self, needed: int, held: int, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float
    ) -> ScalingDecision:
        """There is room for all; what is spare goes."""
        last = facts.last
        again_at = None if last is None or last.keep is None else last.again_at
        if again_at is None or again_at <= now:  # what is held changes even while nothing happens
            again_at = now + settings.scaledown_window / LOOKS
        assert facts.cold_start is not None
        spare_window = self.grace * facts.cold_start
        return ScalingDecision(
            needed,
            PLAIN,
            (demand.inputs, demand.unit, facts.target_inputs, needed),
            again_at=again_at,
            keep=held if held > needed else needed,
            spare_window=spare_window if spare_window > self.shortest else self.shortest,
        )

    def _short(self, needed: int, demand: Demand, facts: PoolFacts, now: float) -> ScalingDecision:
        """There are more inputs than there is room for."""
        target, cold_start, service_time = facts.target_inputs, facts.cold_start, facts.service_time
        assert cold_start is not None
        assert service_time is not None
        memory = None if facts.last is None else facts.last.memory
        excess = memory if isinstance(memory, _Excess) else _Excess(now, facts.submitted, facts.surge.rate(now))
        patience_ends = excess.since + self.patience * cold_start
        if now >= patience_ends:
            return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target, needed), memory=excess)
        # Those that run may be of another kind than those that have ended.
        service_time = max(service_time, facts.running.age(now) / 2)
        # A burst that has lasted for so long may last for as long again; one that came at once is all there.
        since = now - excess.since
        came = facts.submitted - excess.submitted if since >= facts.surge.memory else 0
        rate = self._expected_rate(facts, excess, now) if came else facts.arrivals.rate(now)
        steady = rate * service_time
        served = min(demand.inputs, facts.ready * facts.max_inputs) / service_time
        then = max(steady, demand.inputs + (rate - served) * cold_start)
        at_once = min(1.0, service_time / (self.catch_up * cold_start))
        useful = ceil((steady + (then - steady) * at_once) / target)
        desired = max(facts.live, min(useful, -(-(demand.inputs + ceil(self.again * came)) // target)))
        if desired == needed:
            return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target, needed), memory=excess)
        return ScalingDecision(
            desired,
            "{} inputs at {} each want {}; {} pay: a start takes {:.3g} s, an input {:.3g} s, {:.3g}/s come",
            (demand.inputs, target, needed, desired, cold_start, service_time, rate),
            again_at=patience_ends,
            memory=excess,
        )

    def _expected_rate(self, facts: PoolFacts, excess: _Excess, now: float) -> float:
        """How many inputs will come per second while a container starts, judged by those since the excess began."""
        usual, memory = facts.arrivals.rate(now), facts.surge.memory
        before = exp((excess.since - now) / memory)
        lately = (facts.surge.rate(now) - excess.surge * before) / (1 - before)
        # The standard deviation of such an average of independent arrivals.
        chance = self.doubt * sqrt(usual / (2 * memory))
        return usual + self.trend * max(0.0, lately - usual - chance)


def for_demand(demand: Demand, target_inputs: int) -> ScalingDecision:
    """The containers that this demand calls for, now."""
    needed = containers_for(demand, target_inputs)
    if demand.alone:
        numbers = (demand.inputs, demand.unit, target_inputs, demand.alone, needed)
        return ScalingDecision(needed, "{} {} at {} each and {} alone want {}", numbers)
    return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target_inputs, needed))
