"""What a pool's policy is told, and what becomes of its answer."""

from __future__ import annotations

from math import ceil, inf

from motet.core.arrivals import Arrivals
from motet.core.autoscaler import (
    BoundedDecision,
    Demand,
    Policy,
    PoolFacts,
    Running,
    ScalingDecision,
    bound,
)
from motet.core.fleet import Fleet
from motet.core.grace import SetAlarm
from motet.core.history import History
from motet.core.levels import LOOKS, Levels
from motet.core.repetition import SHORTEST as STEPS
from motet.core.repetition import Expected, Repetition
from motet.model.scaling import AutoscalerSettings

COLD_START_SHARE, SERVICE_TIME_SHARE = 0.2, 0.05
"""How much of these averages the newest observation is."""
ENOUGH = 20
"""Inputs that must have ended before their time counts as known."""
SHORTEST, SHORTEST_SURGE = 0.01, 0.1
"""Seconds that arrivals are averaged over at least. What comes within the second may be one burst of one client."""
SURGE = 1 / 16
"""Of the time that a start takes: what arrivals are averaged over to see at once that more come."""
WITHOUT_ROOM = 0.01
"""The share of the inputs that may find no room in the containers that are held: no more than show in a 99th percentile."""
STARTS = 10
"""A load that repeats is expected to do so if its period is as long as so many starts, or longer."""
LEVEL_MEMORY = 0.3
"""How long it remembers, as a share of `scaledown_window`."""


class Scaler:
    """Asks the policy, keeps its answer within the bounds, and learns what policies like to know."""

    __slots__ = (
        "_alarm",
        "_arrivals",
        "_counted",
        "_ended",
        "_expect_at",
        "_expected",
        "_fleet",
        "_held",
        "_history",
        "_last",
        "_levels",
        "_look_at",
        "_policy",
        "_repetition",
        "_running",
        "_service_time",
        "_surge",
        "_window",
        "cold_start",
        "submitted",
    )

    def __init__(self, policy: Policy, fleet: Fleet, running: Running, alarm: SetAlarm) -> None:
        self._fleet = fleet
        self._running = running
        self.cold_start: float | None = None
        self._service_time = 0.0
        self._ended = 0
        self.submitted = 0
        """Inputs that came, ever."""
        self._counted = 0
        self._arrivals = Arrivals()
        self._surge = Arrivals(SHORTEST_SURGE)
        self._levels = Levels()
        self._window = 0.0
        """The `scaledown_window` that they remember by."""
        self._held: int | None = None
        self._look_at = 0.0
        self._repetition: Repetition | None = None
        self._expected: Expected | None = None
        self._expect_at = 0.0 if policy.foresees else inf
        self._policy = policy
        self._alarm = alarm
        self._history = History(policy.span)
        self._last: ScalingDecision | None = None

    def came(self, inputs: int) -> None:
        """So many were submitted."""
        self.submitted += inputs

    def decide(self, demand: Demand, settings: AutoscalerSettings, limit: int, now: float) -> BoundedDecision:
        """The size that the pool should have now, `limit` containers at most."""
        fleet = self._fleet
        if self.submitted != self._counted:
            self._count(demand, settings, now)
        if now >= self._look_at and self._ended >= ENOUGH and self.submitted * WITHOUT_ROOM >= 2:  # one is none
            self._look(settings, now)
        if now >= self._expect_at and self.cold_start is not None:
            self._expect(self.cold_start, settings, now)
        if self._history.span:
            self._history.record(demand.inputs + demand.alone, now)
        facts = PoolFacts(
            fleet.max_inputs,
            fleet.target_inputs,
            fleet.live,
            fleet.starting,
            self.cold_start,
            self._service_time if self._ended >= ENOUGH else None,
            self._running,
            self._arrivals,
            self._history,
            self._last,
            self._surge,
            self._held,
            self.submitted,
            self._expected,
        )
        decision = self._last = self._policy.decide(demand, facts, settings, now)
        if decision.again_at is not None:
            self._alarm(decision.again_at)
        return bound(decision, demand, settings, limit)

    def _count(self, demand: Demand, settings: AutoscalerSettings, now: float) -> None:
        """Inputs came."""
        count = self.submitted - self._counted
        self._counted = self.submitted
        self._arrivals.came(count, now)
        self._surge.came(count, now)
        inputs = demand.inputs
        if demand.waiting:  # a queue says how small the pool is, and not how large it should be in the long run
            lasting = self._arrivals.rate(now) * self._service_time
            inputs = min(inputs, max(inputs - demand.waiting, ceil(lasting)))
        if self._window != settings.scaledown_window:
            # What is held is what a window needs: who keeps containers for long remembers for as long what they were for.
            self._window = settings.scaledown_window
            self._levels.remember(LEVEL_MEMORY * self._window, now)
        level = -(-inputs // self._fleet.target_inputs)
        self._levels.count(level, count, now)
        if self._repetition is not None:
            self._repetition.count(level, count, now)

    def _look(self, settings: AutoscalerSettings, now: float) -> None:
        self._held = self._levels.above_all_but(WITHOUT_ROOM)
        self._look_at = now + settings.scaledown_window / LOOKS

    def _expect(self, cold_start: float, settings: AutoscalerSettings, now: float) -> None:
        """What comes more often than containers go away needs no prediction; nor what is as short as a few starts."""
        step = max(settings.scaledown_window, STARTS * cold_start) / STEPS
        repetition = self._repetition
        if repetition is None or not 0.5 < step / repetition.step < 2:
            repetition = self._repetition = Repetition(step)
        self._expected = repetition.expected(cold_start, now)
        self._expect_at = now + step if self._expected is None else self._expected.again_at

    def started(self, seconds: float) -> None:
        """A container became ready; it took this long."""
        before = seconds if self.cold_start is None else self.cold_start
        self.cold_start = before + COLD_START_SHARE * (seconds - before)
        self._arrivals.remember(max(self.cold_start, SHORTEST))
        self._surge.remember(max(self.cold_start * SURGE, SHORTEST_SURGE))

    def served(self, seconds: float) -> None:
        """An attempt ended; it ran for this long."""
        count = self._ended = self._ended + 1
        # A plain mean at first: a first input that is not like the others must not count for twenty.
        self._service_time += (seconds - self._service_time) * (SERVICE_TIME_SHARE if count > ENOUGH else 1 / count)
