"""Motet's own policy: containers for what there is, at once, unless they would come too late to be of use."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, sqrt
from typing import NamedTuple

from msgspec import structs

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision, containers_for
from motet.core.levels import LOOKS
from motet.core.repetition import Expected
from motet.model.scaling import MIN_SCALEDOWN_WINDOW, AutoscalerSettings

PLAIN = "{} {} at {} each want {}"


class _Excess(NamedTuple):
    """More inputs are there than ready containers have room for."""

    since: float
    submitted: int
    """How many inputs had come by then."""
    usual: float
    """How many came per second before, averaged over a cold start."""
    surge: float
    """How many came per second just then, those included that came at that very moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotetPolicy:
    """As many containers as have room for all inputs at target, as soon as that pays; and few that nobody needs.

    There is an excess while more inputs are there than ready containers have room for. For those it starts at once as many
    containers as will have something to do: it knows how long starts and inputs take, and how many inputs come. By the time
    that a new container is ready, the present ones have served some of the excess, and others have come; what is there then
    is to be served within `catch_up` times another cold start. What lasts gets room for its mean and for `staffing` standard
    deviations.

    Where more inputs come than usual since the excess began, it expects that to go on for a cold start. It must not be chance
    (more than `doubt` standard deviations), it must last a while (one burst that came at once is all there), and as it may end
    at any moment, no more are expected than `burst` times the square root of those that came since.

    While it does not know the times, every start pays. If inputs keep coming it expects as many again, beyond chance, but no
    more than `guess` times the square root of those that came.

    If there is an excess still after `patience` times a cold start, it has been wrong, and starts as many as have room for all.

    Containers beyond those that inputs have needed lately, and a `reserve` of so many times as many, go when they have been
    idle for as long as a start takes, or for `shortest` seconds if that is more; the others stay for `scaledown_window`.

    If the load repeats, containers start a cold start before it next calls for more of them than just before.
    """

    catch_up: float = 0.8
    staffing: float = 1.0
    doubt: float = 2.0
    burst: float = 38.0
    guess: float = 6.0
    patience: float = 3.0
    reserve: float = 0.05
    shortest: float = MIN_SCALEDOWN_WINDOW
    span: float = 0.0
    foresees: bool = True

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        target, live, last = facts.target_inputs, facts.live, facts.last
        needed = -(-demand.inputs // target)
        memory = None if last is None or demand.inputs <= (live - facts.starting) * target else last.memory
        if needed == live and not demand.alone:  # as it is often, so this must be quick
            decision = ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target, needed), memory=memory)
        else:
            decision = self._reactive(needed, memory, demand, facts, settings, now)
        if facts.expected is None or settings.buffer_containers or demand.unit != "inputs":
            return decision
        return self._foreseeing(decision, facts.expected, demand, facts)

    @staticmethod
    def _foreseeing(decision: ScalingDecision, expected: Expected, demand: Demand, facts: PoolFacts) -> ScalingDecision:
        """The load repeats."""
        again_at = expected.again_at if decision.again_at is None else min(expected.again_at, decision.again_at)
        containers = expected.containers
        if containers <= decision.desired:
            return structs.replace(decision, again_at=again_at)
        return ScalingDecision(
            containers,
            "{} {} at {} each want {}; the load repeats every {:.3g} s, and will want {} within {:.3g} s",
            (
                demand.inputs,
                demand.unit,
                facts.target_inputs,
                decision.desired,
                expected.period,
                containers,
                facts.cold_start or 0.0,
            ),
            again_at=again_at,
            memory=decision.memory,
            keep=None if decision.keep is None else max(decision.keep, containers),
            spare_window=decision.spare_window,
        )

    def _reactive(
        self, needed: int, memory: object, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float
    ) -> ScalingDecision:
        """More containers are needed than there are, or fewer."""
        target, live = facts.target_inputs, facts.live
        full = needed > live == settings.max_containers
        if full or settings.buffer_containers or demand.alone or demand.unit != "inputs":
            return for_demand(demand, target)
        if needed > live:
            excess = memory if isinstance(memory, _Excess) else self._begin(facts, now)
            if facts.cold_start and facts.service_time:
                return self._short(needed, excess, demand, facts, now)
            return self._guess(needed, excess, demand, facts, now)
        if facts.held is not None and facts.cold_start:
            return self._enough(needed, memory, demand, facts, settings, now)
        return _plain(needed, demand, target, memory)

    def _enough(
        self, needed: int, memory: object, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float
    ) -> ScalingDecision:
        """There is room for all; what is spare goes."""
        last = facts.last
        again_at = None if last is None or last.keep is None else last.again_at
        if again_at is None or again_at <= now:  # what is held changes even while nothing happens
            again_at = now + settings.scaledown_window / LOOKS
        assert facts.held is not None
        held = ceil((1 + self.reserve) * facts.held)
        assert facts.cold_start is not None
        return ScalingDecision(
            needed,
            PLAIN,
            (demand.inputs, demand.unit, facts.target_inputs, needed),
            again_at=again_at,
            keep=held if held > needed else needed,
            memory=memory,
            spare_window=facts.cold_start if facts.cold_start > self.shortest else self.shortest,
        )

    def _guess(self, needed: int, excess: _Excess, demand: Demand, facts: PoolFacts, now: float) -> ScalingDecision:
        """There are more inputs than there is room for, and times are not known."""
        target = facts.target_inputs
        came = self._came(excess, facts, now)
        coming = min(came, self.guess * sqrt(came))
        if not coming:
            return _plain(needed, demand, target, excess)
        return ScalingDecision(
            ceil((demand.inputs + coming) / target),
            "{} inputs at {} each want {}; room for {:.0f} more that may come",
            (demand.inputs, target, needed, coming),
            memory=excess,
        )

    def _short(self, needed: int, excess: _Excess, demand: Demand, facts: PoolFacts, now: float) -> ScalingDecision:
        """There are more inputs than there is room for."""
        target, cold_start, service_time = facts.target_inputs, facts.cold_start, facts.service_time
        assert cold_start is not None
        assert service_time is not None
        patience_ends = excess.since + self.patience * cold_start
        if now >= patience_ends:
            return _plain(needed, demand, target, excess)
        # Those that run may be of another kind than those that have ended.
        service_time = max(service_time, facts.running.age(now) / 2)
        surplus = self._surplus(excess, facts, now)
        coming = excess.usual * cold_start + surplus
        lasting = coming / cold_start * service_time
        served = min(demand.inputs, facts.ready * facts.max_inputs) / service_time * cold_start
        left = max(0.0, demand.inputs + coming - served - lasting)
        useful = lasting + self.staffing * sqrt(lasting) + left * min(1.0, service_time / (self.catch_up * cold_start))
        desired = max(facts.live, ceil(min(useful, demand.inputs + surplus) / target))
        if desired == needed:
            return _plain(needed, demand, target, excess)
        return ScalingDecision(
            desired,
            "{} inputs at {} each want {}; {} pay: a start takes {:.3g} s, an input {:.3g} s, {:.3g} come meanwhile",
            (demand.inputs, target, needed, desired, cold_start, service_time, coming),
            again_at=patience_ends,
            memory=excess,
        )

    @staticmethod
    def _begin(facts: PoolFacts, now: float) -> _Excess:
        return _Excess(now, facts.submitted, facts.arrivals.usual(now), facts.surge.rate(now))

    def _came(self, excess: _Excess, facts: PoolFacts, now: float) -> float:
        """How many have come since the excess began, beyond chance; 0 if it has not lasted a while, as it may be one burst."""
        if now - excess.since < facts.surge.memory:
            return 0.0
        came = facts.submitted - excess.submitted
        return max(0.0, came - self.doubt * sqrt(came))

    def _surplus(self, excess: _Excess, facts: PoolFacts, now: float) -> float:
        """How many more inputs than usual will come while a container starts, judged by those since the excess began."""
        came = self._came(excess, facts, now)
        if not came:
            return 0.0
        assert facts.cold_start is not None
        memory = facts.surge.memory
        before = exp((excess.since - now) / memory)
        lately = (facts.surge.rate(now) - excess.surge * before) / (1 - before)
        # The standard deviation of such an average of independent arrivals.
        chance = self.doubt * sqrt(excess.usual / (2 * memory))
        return min(max(0.0, lately - excess.usual - chance) * facts.cold_start, self.burst * sqrt(came))


def for_demand(demand: Demand, target_inputs: int) -> ScalingDecision:
    """The containers that this demand calls for, now."""
    needed = containers_for(demand, target_inputs)
    if demand.alone:
        numbers = (demand.inputs, demand.unit, target_inputs, demand.alone, needed)
        return ScalingDecision(needed, "{} {} at {} each and {} alone want {}", numbers)
    return _plain(needed, demand, target_inputs)


def _plain(needed: int, demand: Demand, target_inputs: int, memory: object = None) -> ScalingDecision:
    return ScalingDecision(needed, PLAIN, (demand.inputs, demand.unit, target_inputs, needed), memory=memory)
