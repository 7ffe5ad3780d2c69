"""Whether schedules were kept: what a history tells of moments that came, and of what ran for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from motet.testing.history_events import Fault, MomentCame, ServerBegan
from motet.testing.history_told import NEVER, HistoryTold, InputTold

LINGERS = 45.0
"""Seconds for which a fault may still show after it was done."""

CHANCE = 30.0
"""Seconds within which a server that nothing is done to runs what is due."""

MISSED = 60.0
"""Seconds after which a moment counts as missed."""

ROUNDING = 0.001
"""Seconds by which moments may be off: floats of wall clocks are rounded."""

ENDINGS = frozenset({"crash", "away", "replace"})
"""Faults after which a server is gone within a second."""

CLIENTS = "client-"
"""How names begin of those to whom faults may be done without any schedule minding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleBroken:
    """What a schedule promises and was not kept, and how that shows."""

    promise: str
    what: str
    key: str


def schedules_are_kept(told: HistoryTold) -> Iterator[ScheduleBroken]:
    """Each function by itself. Where wall clocks were set, when a moment comes is for them to say, and nothing is said here."""
    if any(isinstance(event, Fault) and event.kind == "clock" for event in told.events):
        return
    calm = _Calm(told)
    for function, moments in told.moments.items():
        declared = told.schedules[function]
        inputs = [told.inputs[each.key] for each in moments]
        for place, (moment, it) in enumerate(zip(moments, inputs, strict=True)):
            yield from _it_runs_when_it_may(moment, it)
            until = moments[place + 1].at if place + 1 < len(moments) else NEVER
            is_busy = not declared.overlaps and any(_may_go_on(earlier, moment.at) for earlier in inputs[:place])
            at = calm.first_chance(moment.at, until)
            is_missed = at > moment.at + MISSED
            if not it.began and not it.seen and at < NEVER and not is_busy and (declared.runs_late or not is_missed):
                promise = "what is missed runs once" if is_missed else "moments are run"
                what = f"{moment.key} came at {moment.at:.3f} and never ran, though a server was there from {at:.3f} on"
                yield ScheduleBroken(promise=promise, what=what, key=moment.key)
            away_until = calm.away_until(moment.at)
            if it.began and not declared.runs_late and away_until > moment.at + MISSED + 1.0:
                what = f"{moment.key} ran, and no server was there from {moment.at:.3f} to {away_until:.3f}"
                yield ScheduleBroken(promise="what is missed is skipped", what=what, key=moment.key)
            if it.began and not it.seen and moment.at < told.asked_at:
                what = f"{moment.key} ran, and at the end nobody has an outcome of it"
                yield ScheduleBroken(promise="no run is lost", what=what, key=moment.key)
        if not declared.overlaps:
            yield from _runs_do_not_overlap(told, inputs)


def _it_runs_when_it_may(moment: MomentCame, it: InputTold) -> Iterator[ScheduleBroken]:
    for began in it.began[:1]:
        if began.at < moment.at - ROUNDING:
            what = f"{moment.key} came at {moment.at:.3f}, and ran at {began.at:.3f}"
            yield ScheduleBroken(promise="not before their moments", what=what, key=moment.key)


def _may_go_on(earlier: InputTold, at: float) -> bool:
    """Whether a run may have had no outcome at this moment, as far as its server knew."""
    if not earlier.began:
        return False
    ended = max((offered.at for offered in earlier.offered), default=NEVER)
    return ended + LINGERS / 10 > at or len(earlier.began) > 1


def _runs_do_not_overlap(told: HistoryTold, inputs: list[InputTold]) -> Iterator[ScheduleBroken]:
    runs = [began for it in inputs for began in it.began]
    ends = {(offered.attempt, offered.container): offered.at for it in inputs for offered in it.offered}
    for later in runs:
        for earlier in runs:
            if earlier.key == later.key or not earlier.at < later.at:
                continue
            ended = ends.get((earlier.attempt, earlier.container), NEVER)
            # What is on its way to a container that is cut off may come late.
            harmed = any(told.was_harmed(it.container, later.at) for it in (earlier, later))
            if ended > later.at and not harmed:
                what = f"{later.key} began at {later.at:.3f} while {earlier.key} ran in {earlier.container}"
                yield ScheduleBroken(promise="runs do not overlap", what=what, key=later.key)


class _Calm:
    """When nothing was done to what runs schedules, and a server was there."""

    def __init__(self, told: HistoryTold) -> None:
        self._faults: list[float] = []
        self._servers: list[tuple[float, bool]] = []
        server = ""
        for event in told.events:
            if isinstance(event, ServerBegan):
                server = event.server
                self._servers.append((event.at, True))
            elif isinstance(event, Fault) and not event.target.startswith(CLIENTS):
                self._faults.append(event.at)
                if event.target == server and event.kind in ENDINGS:
                    self._servers.append((event.at, False))
        self._settled = told.events[-1].at if told.events else 0.0

    def first_chance(self, since: float, until: float) -> float:
        """When a server was there first, with time enough before `until`, to which nothing was done; NEVER: there was none."""
        until = min(until, self._settled)
        begins = (at for at, is_new in self._servers if is_new)
        calms = (at + LINGERS + ROUNDING for at in self._faults)
        starts = [since, *sorted(at for at in (*begins, *calms) if since < at < until)]
        for start in starts:
            end = start + min(CHANCE, until - start if start == since else CHANCE)
            if end > until or (start == since and until - since < 1.0):
                continue
            lingers = start - LINGERS
            if self._serves(start) and not any(lingers <= at <= end for at in self._faults_but_ends(start)):
                return start
        return NEVER

    def _faults_but_ends(self, start: float) -> list[float]:
        """Those that a server which begins then may mind: the one before it is gone, and does not."""
        begins = any(is_new and at == start for at, is_new in self._servers)
        ended = {at for at, is_new in self._servers if not is_new and at < start} if begins else set()
        return [at for at in self._faults if at not in ended]

    def _serves(self, at: float) -> bool:
        return next((is_new for when, is_new in reversed(self._servers) if when <= at), False)

    def away_until(self, at: float) -> float:
        """When the next server came, if none was there at this moment; else this moment."""
        if self._serves(at) or self._serves(at - 1.0):
            return at
        return next((when for when, is_new in self._servers if is_new and when > at), at)
