"""When a deployed function runs by itself: its schedule as values, and what is told of it."""

from __future__ import annotations

from typing import Literal

import msgspec

Missed = Literal["run_once", "skip"]
"""What becomes of moments that passed while the server was down: one run for all of them, late, or none."""


class CronTimes(msgspec.Struct, frozen=True, kw_only=True, tag="cron"):
    """Moments that a cron expression means in a time zone."""

    expression: str
    timezone: str = "UTC"

    def __str__(self) -> str:
        return f"{self.expression} ({self.timezone})"


class PeriodTimes(msgspec.Struct, frozen=True, kw_only=True, tag="period"):
    """Moments so many calendar months and seconds apart, counted from when the version was deployed."""

    months: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        days, rest = divmod(self.seconds, 86400)
        hours, rest = divmod(rest, 3600)
        minutes, seconds = divmod(rest, 60)
        named = {"year": years, "month": months, "day": days, "hour": hours, "minute": minutes, "second": seconds}
        parts = [f"{number:g} {unit}{'' if number == 1 else 's'}" for unit, number in named.items() if number]
        return f"every {' '.join(parts)}"


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """When a function runs, what becomes of missed moments, and whether a run may begin while the one before goes on."""

    when: CronTimes | PeriodTimes
    missed: Missed = "run_once"
    overlap: bool = True


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule of a function of a deployed app. Moments are of the wall clock.

    `next_at`: None while it is paused, and if there is no further moment. `ran_at`: the moment that the last run was for, and
    `call_id` its call. `note`: what became of the last moment, if it did not just run.
    """

    app: str
    function: str
    version: int
    when: str
    missed: Missed
    overlap: bool
    paused: bool = False
    next_at: float | None = None
    ran_at: float | None = None
    call_id: str = ""
    note: str = ""
