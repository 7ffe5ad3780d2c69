"""What a schedule asks for now: a pure function of the schedule, what is known of it, and the moment it is."""

from __future__ import annotations

from dataclasses import dataclass

from motet.model.schedule import ScheduleSpec
from motet.schedules.moments import last_moment, next_moment

GRACE = 60.0
"""Seconds that a run may begin late without having been missed: a server that is started again takes some."""

AHEAD = 86400.0
"""Seconds that what has been done may lie ahead of the clock: beyond that, the clock was wrong before."""


@dataclass(frozen=True, slots=True)
class ScheduleProgress:
    """How far a schedule is: moments until `handled_at` are done with, and those before `began_at`, when its version was
    deployed, were never meant. Both are of the wall clock; `handled_at` is 0 before the first."""

    began_at: float
    handled_at: float = 0.0
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A moment that has come. `late`: seconds since. `is_skipped`: it was missed, and is not made up for."""

    moment: float
    late: float
    is_skipped: bool


def due(spec: ScheduleSpec, progress: ScheduleProgress, now: float) -> Due | None:
    """What is to be done now: the last of the moments that have come and are not done with stands for all of them. None: there
    is none."""
    if progress.paused:
        return None
    moment = last_moment(spec.when, progress.began_at, _since(progress, now), now)
    if moment is None:
        return None
    late = now - moment
    return Due(moment, late, spec.missed == "skip" and late > GRACE)


def next_at(spec: ScheduleSpec, progress: ScheduleProgress, now: float) -> float | None:
    """The next moment that is to be run, which may have passed already; None while it is paused, and if there is none."""
    if progress.paused:
        return None
    return next_moment(spec.when, progress.began_at, _since(progress, now))


def _since(progress: ScheduleProgress, now: float) -> float:
    # Of a clock that was set back, moments that are done with do not come again, unless it had been far ahead.
    handled_at = progress.handled_at if progress.handled_at <= now + AHEAD else now
    return max(progress.began_at, handled_at)
