"""The search for a function's settings on a load: many simulations, of which those that promise little are short."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from motet.model.scaling import MAX_INPUTS_LIMIT
from motet.simulation.frontier import SAME_COST, Tried, by_preference, frontier
from motet.simulation.report import Report
from motet.simulation.scenario import Scenario
from motet.simulation.settings import Settings
from motet.simulation.slo import Slo
from motet.simulation.trace import Trace

SHORT, LONG = 3_000, 20_000
"""Inputs of the parts of a trace on which settings are compared first."""
KEPT, BEST = 4, 2
"""How many choices of concurrency are tried on the long part, and how many of those for being the best, whatever is cheaper or
quicker; the second best of them is tried with those pool settings that were worth having for the best."""
MOST_ATTEMPTS = 5
OWN = "motet"

Evaluate = Callable[[Sequence[tuple[Scenario, str]]], list[Report]]
"""Carries out simulations of a scenario under a policy, and gives their reports in the same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The values that are tried. `target_inputs` None: all of `max_inputs`, four fifths and three fifths of it. If all are
    above a `max_inputs`, that is its target."""

    max_inputs: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    target_inputs: tuple[int, ...] | None = None
    scaledown_windows: tuple[float, ...] = (5.0, 15.0, 60.0, 300.0)
    buffer_containers: tuple[int, ...] = (0, 1, 2, 4)

    def concurrencies(self) -> list[tuple[int, int]]:
        """All pairs of `max_inputs` and `target_inputs`."""
        return [
            (most, target)
            for most in sorted(set(self.max_inputs))
            if 1 <= most <= MAX_INPUTS_LIMIT
            for target in sorted(set(self._targets(most)), reverse=True)
        ]

    def _targets(self, most: int) -> Iterable[int]:
        if self.target_inputs is None:
            return (most, max(1, most * 4 // 5), max(1, most * 3 // 5))
        return [target for target in self.target_inputs if target <= most] or (most,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a search has found.

    `now` and `chosen` are of the whole trace; `tried` (and `policies`: the chosen settings under other policies than Motet's)
    of the part that has `compared` inputs, by which the best of all `settings` were chosen. `confirmations` are the chosen
    settings on traces from other seeds; `lucky`: how many others met the SLO on the whole trace, and not on these.
    """

    now: Tried
    chosen: Tried
    tried: list[Tried]
    policies: list[Tried]
    confirmations: list[Tried]
    lucky: int
    compared: int
    settings: int
    simulations: int


@dataclass(frozen=True, slots=True)
class _Examined:
    """Settings on the part (`expected`), on the whole trace, and on those of other seeds; `ratio`: the worst of the latter
    two by the SLO."""

    expected: Tried
    whole: Tried
    confirmations: list[Tried]
    ratio: float


class Search:
    """Looks for the settings to take; see `docs/design/tuning.md` for how.

    `scenario` brings the load and all that does not change; `others` are the same with other seeds, for confirmation.
    `now` are the declared settings; what is not tried comes from `start`. `policies` are those to compare. Deterministic,
    if `evaluate` is.
    """

    def __init__(
        self,
        *,
        scenario: Scenario,
        others: Sequence[Scenario],
        now: Settings,
        start: Settings,
        space: Space,
        slo: Slo,
        policies: Sequence[str],
        evaluate: Evaluate,
    ) -> None:
        self._whole = scenario
        self._short, self._long = (replace(scenario, trace=busiest(scenario.trace, most)) for most in (SHORT, LONG))
        self._others = others
        self._now = now
        self._start = _within(start, space)
        self._space = space
        self._slo = slo
        self._policies = [policy for policy in policies if policy != OWN]
        self._evaluate = evaluate
        self._known: dict[tuple[Settings, str, str, int, int], Report] = {}

    def run(self) -> Findings:
        """All of it."""
        concurrencies = self._try(self._concurrencies(), self._short)
        kept = self._kept(concurrencies)
        base = self._try(kept, self._long)
        varied = self._varied(by_preference(base, self._slo))
        tried = _distinct([*base, *varied])
        chosen, confirmations, lucky = self._confirmed(tried)
        compared = self._policies if self._slo.is_met(chosen.report) else []
        policies = self._under(compared, chosen.settings)
        (now,) = self._try([self._now], self._whole)
        (now_on_part,) = self._try([self._now], self._long)
        return Findings(
            now=now,
            chosen=chosen,
            tried=_distinct([*tried, now_on_part]),
            policies=policies,
            confirmations=confirmations,
            lucky=lucky,
            compared=len(self._long.trace.arrivals),
            settings=len({settings for settings, *_ in self._known}),
            simulations=len(self._known),
        )

    def _concurrencies(self) -> list[Settings]:
        return [
            self._start.changed(max_inputs=most, target_inputs=target) for most, target in self._space.concurrencies()
        ]

    def _kept(self, tried: Sequence[Tried]) -> list[Settings]:
        """Those to go on with: the best two, and of the rest what is on the frontier."""
        best = by_preference(tried, self._slo)
        front = by_preference(frontier(tried, self._slo.measure), self._slo)
        kept = [it.settings for it in (*best[:BEST], *front)]
        return list(dict.fromkeys(kept))[:KEPT]

    def _varied(self, best: Sequence[Tried]) -> list[Tried]:
        """Other windows and other buffers for the first, and the best of both together; of these, for the second, what was on
        the frontier."""
        first, space = best[0].settings, self._space
        windows = [first.changed(scaledown_window=window) for window in space.scaledown_windows]
        buffers = [first.changed(buffer_containers=buffer) for buffer in space.buffer_containers]
        tried = [best[0], *self._try([*windows, *buffers], self._long)]
        window = by_preference([it for it in tried if it.settings not in buffers], self._slo)[0]
        buffer = by_preference([it for it in tried if it.settings not in windows], self._slo)[0]
        both = window.settings.changed(buffer_containers=buffer.settings.autoscaler.buffer_containers)
        tried += self._try([both], self._long)
        front = frontier(tried, self._slo.measure)
        worth = _distinct([front[0], *by_preference(front, self._slo)])[:KEPT]
        concurrencies = [it.settings.concurrency for it in best[1:BEST]]
        others = [replace(it.settings, concurrency=concurrency) for concurrency in concurrencies for it in worth]
        return tried + self._try(others, self._long)

    def _confirmed(self, tried: list[Tried]) -> tuple[Tried, list[Tried], int]:
        """The cheapest that meets the SLO on the whole trace and on those of other seeds, or else what comes nearest to it;
        and how many met it on the former alone.

        What the part of the trace says of a candidate is corrected by how much the last one that was tried did worse, or
        better, on all of it.
        """
        untried, correction = by_preference(tried, self._slo), 1.0
        attempts: list[_Examined] = []
        while untried and len(attempts) < MOST_ATTEMPTS:
            hopeful = [it for it in untried if self._slo.ratio(it.report) * correction <= 1]
            passed = [attempt.expected.cost for attempt in attempts if attempt.ratio <= 1]
            if passed:
                hopeful = [it for it in hopeful if it.cost * SAME_COST < min(passed)]
                if not hopeful:
                    break
            if not attempts:
                candidate = untried[0]
            elif hopeful:
                candidate = min(hopeful, key=lambda it: it.cost)
            else:
                candidate = min(untried, key=lambda it: self._slo.ratio(it.report))
            untried.remove(candidate)
            attempts.append(self._attempt(candidate))
            correction = attempts[-1].ratio / (self._slo.ratio(candidate.report) or 1.0)
        passed_attempts = [attempt for attempt in attempts if attempt.ratio <= 1]
        if passed_attempts:
            best = min(passed_attempts, key=lambda attempt: attempt.whole.cost)
        else:
            best = min(attempts, key=lambda attempt: attempt.ratio)
        lucky = sum(attempt.ratio > 1 and self._slo.is_met(attempt.whole.report) for attempt in attempts)
        return best.whole, best.confirmations, lucky

    def _attempt(self, expected: Tried) -> _Examined:
        (whole,) = self._try([expected.settings], self._whole)
        confirmations = self._on_other_seeds(expected.settings) if self._slo.is_met(whole.report) else []
        return _Examined(
            expected, whole, confirmations, max(self._slo.ratio(it.report) for it in (whole, *confirmations))
        )

    def _on_other_seeds(self, settings: Settings) -> list[Tried]:
        reports = self._reports([(settings, other, OWN) for other in self._others])
        return [Tried(settings, report) for report in reports]

    def _under(self, policies: Sequence[str], settings: Settings) -> list[Tried]:
        reports = self._reports([(settings, self._long, policy) for policy in policies])
        return [Tried(settings, report) for report in reports]

    def _try(self, settings: Sequence[Settings], scenario: Scenario) -> list[Tried]:
        reports = self._reports([(it, scenario, OWN) for it in settings])
        return [Tried(it, report) for it, report in zip(settings, reports, strict=True)]

    def _reports(self, wanted: Sequence[tuple[Settings, Scenario, str]]) -> list[Report]:
        """What is known already is not simulated again."""
        keys = [(it, policy, on.trace.name, len(on.trace.arrivals), on.seed) for it, on, policy in wanted]
        new = {key: it for key, it in zip(keys, wanted, strict=True) if key not in self._known}
        reports = self._evaluate([(settings.on(on), policy) for settings, on, policy in new.values()])
        self._known.update(zip(new, reports, strict=True))
        return [self._known[key] for key in keys]


def _within(start: Settings, space: Space) -> Settings:
    """With the window and the buffer that it has, if these are to be tried, or else the first that are."""
    pool = start.autoscaler
    windows, buffers = space.scaledown_windows, space.buffer_containers
    return start.changed(
        scaledown_window=pool.scaledown_window if pool.scaledown_window in windows else windows[0],
        buffer_containers=pool.buffer_containers if pool.buffer_containers in buffers else buffers[0],
    )


def busiest(trace: Trace, most: int) -> Trace:
    """At most so many inputs of a trace that follow each other: the second half of them are those that came in the least time,
    the first half what led up to it. The trace itself, if it has no more."""
    arrivals = trace.arrivals
    if len(arrivals) <= most:
        return trace
    half = most // 2
    peak = min(range(half, len(arrivals) - half + 1), key=lambda i: arrivals[i + half - 1] - arrivals[i])
    part = slice(peak - half, peak + half)
    began = arrivals[peak - half]
    return Trace(
        name=trace.name,
        arrivals=array("d", (arrival - began for arrival in arrivals[part])),
        durations=None if trace.durations is None else trace.durations[part],
    )


def _distinct(tried: Iterable[Tried]) -> list[Tried]:
    return list({it.settings: it for it in tried}.values())
