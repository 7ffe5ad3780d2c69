"""The policy of Knative's pod autoscaler (KPA)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from motet.core.autoscaler import Demand, PoolFacts, ScalingDecision
from motet.model.scaling import AutoscalerSettings


class _KnativeMemory(NamedTuple):
    panic_at: float | None
    """When it was last over the threshold, if it panics."""
    panic_most: int
    """The most containers wanted since it panics."""
    active_since: float
    """When it last began to want any."""
    idle_since: float | None
    """When it first wanted none, a stable window after that or later."""
    initial: bool
    """It has had its initial scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnativePolicy:
    """Averages of concurrency over a stable and a panic window, looked at every `tick` seconds.

    Source: Knative Serving's `pkg/autoscaler/scaling/autoscaler.go`, `pkg/autoscaler/config` and, for the last pod,
    `pkg/reconciler/autoscaling/kpa/scaler.go`; the defaults are those it ships. `target_inputs` stands for the target
    annotation, so a container is to have 70 % of that. Demand that finds no container is seen at once.
    """

    tick: float = 2.0
    stable_window: float = 60.0
    panic_window: float = 6.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    target_utilization: float = 0.7
    scale_to_zero_grace: float = 30.0
    initial_scale: int = 1
    foresees: bool = False

    @property
    def span(self) -> float:
        """Seconds of history that it looks back on."""
        return self.stable_window

    def decide(self, demand: Demand, facts: PoolFacts, settings: AutoscalerSettings, now: float) -> ScalingDecision:
        """See `Policy.decide`."""
        last = facts.last
        poked = last is not None and last.desired == 0 and demand.inputs + demand.alone > 0
        if last is not None and not poked and (last.again_at is None or now < last.again_at):
            return last
        # A fresh autoscaler that finds containers keeps them until it has seen enough.
        memory = _KnativeMemory(None, 0, now, None, False)
        if facts.ready > 1:
            memory = memory._replace(panic_at=now, panic_most=facts.ready)
        if last is not None and isinstance(last.memory, _KnativeMemory):
            memory = last.memory

        target = max(0.01, facts.target_inputs * self.target_utilization)
        stable = round(facts.history.average(self.stable_window, now), 6)
        panic = round(facts.history.average(self.panic_window, now), 6)
        ready = max(1, facts.ready)
        most, least = math.ceil(self.max_scale_up_rate * ready), math.floor(ready / self.max_scale_down_rate)
        desired = min(max(math.ceil(stable / target), least), most)
        panicked = min(max(math.ceil(panic / target), least), most)

        panic_at, panic_most = memory.panic_at, memory.panic_most
        if math.ceil(panic / target) / ready >= self.panic_threshold:
            panic_at = now
        elif panic_at is not None and panic_at + self.stable_window < now:
            panic_at, panic_most = None, 0
        if panic_at is not None:
            desired = panic_most = max(desired, panicked, panic_most)

        initial = memory.initial or facts.ready >= self.initial_scale
        if not initial:
            desired = max(desired, self.initial_scale)
        if poked:
            desired = max(desired, 1)
        # The last container has been there for a stable window, and stays for a grace after that.
        active_since = now if poked else memory.active_since
        idle_since = None
        if desired == 0 and facts.live:
            if now >= active_since + self.stable_window:
                idle_since = now if memory.idle_since is None else memory.idle_since
            if idle_since is None or now < idle_since + self.scale_to_zero_grace:
                desired = 1
        asleep = desired == 0 and not facts.live
        return ScalingDecision(
            desired,
            "KPA: {} stable and {} panic concurrency at {} each want {}{}",
            (stable, panic, round(target, 3), desired, ", panicking" if panic_at is not None else ""),
            again_at=None if asleep else now + self.tick,
            memory=_KnativeMemory(panic_at, panic_most, active_since, idle_since, initial),
            drains=True,
        )
