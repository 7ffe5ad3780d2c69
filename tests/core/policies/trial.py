"""A pool that does at once what its policy wants, on invented time."""

from __future__ import annotations

from motet.core.autoscaler import NOTHING_RUNS, BoundedDecision, Demand, Policy
from motet.core.scaler import Scaler
from motet.model.scaling import AutoscalerSettings


class Trial:
    """Inputs come and go as the test says; containers start and leave in no time, unless `live` is set."""

    def __init__(self, policy: Policy, target: int = 1, *, follows: bool = True, **settings: int | float) -> None:
        self.max_inputs = self.target_inputs = target
        self.scaler = Scaler(policy, self, NOTHING_RUNS, self._alarm)
        self.settings = AutoscalerSettings(**settings)  # type: ignore[arg-type]
        self.now = 0.0
        self.inputs = 0
        self.live = self.starting = 0
        self.follows = follows
        self.changes: list[tuple[float, int]] = []
        """When the desired number changed, and to what."""
        self.asked: list[float] = []
        self._next: float | None = None
        self.decision = self._ask()

    @property
    def desired(self) -> int:
        return self.decision.desired

    def has(self, inputs: int) -> Trial:
        """From now on there are this many inputs, waiting or running."""
        self.inputs = inputs
        self.decision = self._ask()
        return self

    def at(self, moment: float) -> Trial:
        """Time passes until then; the policy is asked when it wanted to be."""
        while self._next is not None and self._next <= moment:
            self.now, self._next = self._next, None
            self.asked.append(self.now)
            self.decision = self._ask()
        self.now = moment
        return self

    def _alarm(self, moment: float) -> None:
        assert moment > self.now, "it would be asked for ever"
        self._next = moment if self._next is None else min(self._next, moment)

    def _ask(self) -> BoundedDecision:
        while True:
            demand = Demand(self.inputs, active=self.inputs > 0)
            decision = self.scaler.decide(demand, self.settings, 10_000, self.now)
            if not self.changes or decision.desired != self.changes[-1][1]:
                self.changes.append((self.now, decision.desired))
            if not self.follows or decision.desired == self.live:
                return decision
            self.live = decision.desired
