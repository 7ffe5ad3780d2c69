"""`target_inputs="auto"`: the target of one pool, learned from what its containers do."""

from __future__ import annotations

from math import inf, sqrt

from motet.core.containers import Container
from motet.core.curve import CurvePoint, LearnedCurve
from motet.core.knee import POWER, POWER_WITHIN_SLO, Knee, find_knee
from motet.core.watch import Watch
from motet.model.views import LearnedTargetView, TargetPoint

APART = 0.005
"""Seconds between two inputs that are watched, on average: so watching costs no more where very many run."""
REVIEWED_AFTER = 10
"""Watched inputs between two looks at the curve."""
USABLE = 0.5
"""The evidence that it takes to count with a level. A trial goes on for twice that, so that it is not soon due again."""
WORTH_A_MOVE = 0.03
HEADROOM = 1.2
"""Within an SLO: how much more there must be room for before the target rises."""
NEARBY = (2, -2, 1, -1)
"""The levels that are tried if they are not known, counted from that of the target: first those at a factor of two."""
TRIAL, TRIAL_SERVICES = 5.0, 20.0
"""A trial ends after so many seconds and so many times what an input takes, if the load is too small to fill containers."""
REST, LONGEST_REST = 9.0, 3600.0
"""After what was tried, so many times as long without trials; and the most seconds that is."""


class LearnedTarget:
    """Holds the `target`, and changes it as containers show how fast inputs go beside each other.

    It begins in the middle, by ratio, between 1 and `max_inputs`, and goes to the knee of what is known of the curve. A
    level near it that is not known is tried for as long as it takes to know it, once the target itself is known: that is, once
    there is load that fills containers. Nothing is tried that would miss `slo` if time grew as fast as inputs.
    """

    __slots__ = (
        "_curve",
        "_home",
        "_reached",
        "_rest_until",
        "_round_began",
        "_seen",
        "_tried",
        "_trying",
        "_trying_since",
        "_unmet",
        "_watch_after",
        "_watches",
        "max_inputs",
        "slo",
        "target",
    )

    def __init__(self, max_inputs: int, slo: float | None = None) -> None:
        self.max_inputs = max_inputs
        self.slo = slo
        self.target = self._home = self.start(max_inputs)
        """What the pool goes by; and what it goes by when nothing is tried."""
        self._curve = LearnedCurve(max_inputs)
        self._watches: dict[str, Watch] = {}
        self._watch_after = -inf
        self._seen = 0
        self._trying: int | None = None
        self._trying_since = 0.0
        self._tried: set[int] = set()
        self._round_began: float | None = None
        self._rest_until = -inf
        self._reached = self._unmet = False

    @staticmethod
    def start(max_inputs: int) -> int:
        """The target before anything is known."""
        return round(sqrt(max_inputs))

    # --- what happens in containers -----------------------------------------------------------------------------------

    def loaded(self, container: Container, now: float) -> None:
        """It was given attempts."""
        watch = self._watches.get(container.container_id)
        if watch is None:
            watch = self._watches[container.container_id] = Watch(self._curve)
        watch.changed(container.running, now)
        if now >= self._watch_after:
            self._watch_after = now + APART * watch.begin(container.running, now)

    def unloaded(self, container: Container, now: float) -> None:
        """Attempts of it ended."""
        watch = self._watches.get(container.container_id)
        if watch is not None:
            self._seen += watch.changed(container.running, now)
            if self._seen >= REVIEWED_AFTER:
                self._seen = 0
                self._review(now)

    def lost(self, container: Container) -> None:
        """It is gone."""
        self._watches.pop(container.container_id, None)

    def failed(self, container_id: str, attempt: int, now: float) -> None:
        """An attempt ends without a result."""
        if (watch := self._watches.get(container_id)) is not None:
            watch.failed(attempt, now)

    def forget(self, container_id: str, attempt: int) -> None:
        """Nobody waits for an attempt any more."""
        if (watch := self._watches.get(container_id)) is not None:
            watch.forget(attempt)

    # --- what there is to see -----------------------------------------------------------------------------------------

    def view(self, now: float) -> LearnedTargetView:
        """The target, and what it was learned from."""
        points = self._curve.points(now)
        level = self._curve.level_of[self._home]
        near = points[max(0, level - 1) : level + 2]
        confidence = sum(point.evidence for point in near if point is not None) / len(near)
        return LearnedTargetView(
            target_inputs=self._home,
            confidence=confidence,
            curve=tuple(
                TargetPoint(inputs=p.inputs, throughput=p.throughput, p50=p.p50, p95=p.p95, observations=p.seen)
                for p in points
                if p is not None
            ),
            reason=self.reason,
        )

    @property
    def reason(self) -> str:
        """Why the target is what it is."""
        if self._trying is not None:
            return f"tries {self.target}; {self._home} is the best yet"
        if not self._reached:
            return "containers seldom run as many, so little is known of it"
        if self.slo is None:
            return "the knee of what is known"
        if self._unmet:
            return f"inputs miss slo_p95={self.slo:g} even alone, so the knee of what is known"
        return f"the most that meets slo_p95={self.slo:g} and is worth it, as far as is known"

    # --- the target ---------------------------------------------------------------------------------------------------

    def _review(self, now: float) -> None:
        points = self._curve.points(now)
        if self._trying is not None:
            if not self._is_over(points[self._trying], now):
                return
            self._tried.add(self._trying)
            self._trying = None
        known = [point for point in points if point is not None and point.evidence >= USABLE]
        slo = self._slo_in_force(known)
        self._move(points, known, slo)
        self._reached = _is_usable(points[self._curve.level_of[self._home]])
        self.target = self._home
        if slo is None:
            self._try_another(points, now)

    def _slo_in_force(self, known: list[CurvePoint]) -> float | None:
        """None also if inputs miss it that run alone: then no target is of any help, and the knee as good as any."""
        slo = self.slo
        self._unmet = slo is not None and bool(known) and known[0].inputs < 1.05 and known[0].p95 > slo
        return None if self._unmet else slo

    def _is_over(self, point: CurvePoint | None, now: float) -> bool:
        """Whether what is being tried is known now, or will not be, because there are not enough inputs."""
        if point is None:
            return now > self._trying_since + TRIAL
        return point.evidence >= 1.0 or now > self._trying_since + TRIAL + TRIAL_SERVICES * point.p50

    def _move(self, points: list[CurvePoint | None], known: list[CurvePoint], slo: float | None) -> None:
        """Go to the knee, if it is clear that it is elsewhere."""
        knee = find_knee(known, self._home, POWER if slo is None else POWER_WITHIN_SLO)
        if knee is None:
            return
        wanted = float(self._home)
        if knee.gain > WORTH_A_MOVE + knee.doubt and self._is_evident(knee, points):
            top = self._curve.level_of[round(knee.inputs)] == len(points) - 1
            wanted = self.max_inputs if top and not knee.inner else knee.inputs
        if slo is not None:
            wanted = self._within(slo, wanted, known, knee)
        self._home = min(self.max_inputs, max(1, round(wanted)))

    def _is_evident(self, knee: Knee, points: list[CurvePoint | None]) -> bool:
        """A knee at the edge of what was seen is one only if the present target was seen, too."""
        here = points[self._curve.level_of[self._home]]
        return knee.inner or (here is not None and here.evidence >= USABLE)

    def _within(self, slo: float, wanted: float, known: list[CurvePoint], knee: Knee) -> float:
        """The greatest target whose inputs are in time, up to the knee; beyond what was seen, up to twice the present one."""
        home, limit = self._home, self._limit(slo, known)
        if limit < home:
            return max(limit - 0.5, home / 2)
        top = known[-1].inputs
        if knee.inputs >= 0.95 * top and home >= 0.85 * top:
            wanted = 2.0 * home
        return min(wanted, limit - 0.5) if limit >= HEADROOM * home else min(wanted, home)

    def _limit(self, slo: float, known: list[CurvePoint]) -> float:
        """How many inputs at once are in time: between levels by interpolation, beyond them if time grows as inputs do."""
        before: CurvePoint | None = None
        for point in known:
            if point.p95 > slo:
                if before is None:
                    return point.inputs * slo / point.p95
                part = (slo - before.p95) / (point.p95 - before.p95)
                return before.inputs + part * (point.inputs - before.inputs)
            before = point
        return before.inputs * slo / before.p95 if before is not None else float(self._home)

    def _try_another(self, points: list[CurvePoint | None], now: float) -> None:
        level = self._curve.level_of[self._home]
        here = points[level]
        if here is None or here.evidence < 1.0 or now < self._rest_until:
            return
        for other in (level + step for step in NEARBY):
            if 0 <= other < len(points) and other not in self._tried and not _is_usable(points[other]):
                self._trying, self._trying_since = other, now
                self.target = self._curve.sizes[other]
                self._round_began = now if self._round_began is None else self._round_began
                return
        if self._round_began is not None:  # all was tried
            self._rest_until = now + min(REST * (now - self._round_began), LONGEST_REST)
            self._round_began = None
        self._tried.clear()


def _is_usable(point: CurvePoint | None) -> bool:
    return point is not None and point.evidence >= USABLE
