"""`motet.Cron`, `motet.Period` and the `schedule` keyword."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from motet.errors import InvalidError
from motet.model.function import MethodSpec
from motet.model.scaling import Batching
from motet.model.schedule import CronTimes, Missed, PeriodTimes, ScheduleSpec
from motet.sdk.options.checks import check_bool, is_int, is_number, plain, type_name

SHORTEST = 1.0
"""Seconds of a period, at least."""


class Schedule:
    """When a deployed function is run: a `motet.Cron` or a `motet.Period`."""

    spec: ScheduleSpec

    def __init__(self, when: CronTimes | PeriodTimes, missed: Any, overlap: Any) -> None:
        # Late: most programs have no schedule, and need neither calendars nor time zones.
        from motet.schedules.moments import check_schedule

        self.spec = check_schedule(
            ScheduleSpec(when=when, missed=_missed(missed), overlap=check_bool("overlap", overlap))
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)


class Cron(Schedule):
    """The moments that a cron expression means: `motet.Cron("0 6 * * *", timezone="Europe/Berlin")` is every morning at six.

    `missed`: what becomes of moments that passed while the server was down: `"run_once"` (one run for all of them, late) or
    `"skip"`. `overlap`: whether a run begins while the one before goes on; if not, its moment is left out. Raises
    `InvalidError` for an expression, or a time zone, that is none.
    """

    def __init__(
        self, cron_string: str, timezone: str = "UTC", *, missed: Missed = "run_once", overlap: bool = True
    ) -> None:
        if not isinstance(cron_string, str):
            raise InvalidError(f'Invalid cron expression {cron_string!r}: it is a str, such as "0 6 * * *".')
        if not isinstance(timezone, str):
            raise InvalidError(f'Invalid timezone {timezone!r}: it is a str, such as "Europe/Berlin".')
        super().__init__(CronTimes(expression=plain(cron_string), timezone=plain(timezone)), missed, overlap)

    def __repr__(self) -> str:
        times = self.spec.when
        assert isinstance(times, CronTimes)
        return f"Cron({times.expression!r}, timezone={times.timezone!r}{_more(self.spec)})"


class Period(Schedule):
    """So much time between two runs: `motet.Period(hours=1)`. It is counted from when the version was deployed, and anew with
    each version that is.

    Months and years are those of the calendar (UTC), a day is 24 hours; `seconds` alone may be a fraction. `missed` and
    `overlap` as with `motet.Cron`. Raises `InvalidError` for what is shorter than a second.
    """

    def __init__(
        self,
        *,
        years: int = 0,
        months: int = 0,
        weeks: int = 0,
        days: int = 0,
        hours: int = 0,
        minutes: int = 0,
        seconds: float = 0,
        missed: Missed = "run_once",
        overlap: bool = True,
    ) -> None:
        whole = {"years": years, "months": months, "weeks": weeks, "days": days, "hours": hours, "minutes": minutes}
        for name, value in whole.items():
            if not is_int(value) or not 0 <= value <= 1_000_000:
                raise InvalidError(f"Invalid {name} of a Period: {value!r}. It must be an int from 0 to 1,000,000.")
        if not is_number(seconds) or not 0 <= seconds <= 1e12:
            raise InvalidError(f"Invalid seconds of a Period: {seconds!r}. It must be a number from 0 to 1e12.")
        times = PeriodTimes(
            months=12 * years + months,
            seconds=float(((7 * weeks + days) * 24 + hours) * 3600 + minutes * 60 + seconds),
        )
        if not times.months and times.seconds < SHORTEST:
            raise InvalidError(
                f"A Period is at least {SHORTEST:g} second long, not {times.seconds:g}: give it `hours=1`, for example."
            )
        super().__init__(times, missed, overlap)

    def __repr__(self) -> str:
        times = self.spec.when
        assert isinstance(times, PeriodTimes)
        parts = [f"{name}={value:g}" for name in ("months", "seconds") if (value := getattr(times, name))]
        return f"Period({', '.join(parts)}{_more(self.spec)})"


def schedule(name: str, value: Any) -> ScheduleSpec:
    """The keyword's value. Raises `InvalidError`."""
    if not isinstance(value, Schedule):
        raise InvalidError(
            f"`{name}` must be a `motet.Cron` or a `motet.Period`, such as `{name}=motet.Period(hours=1)`, "
            f"not {type_name(value)}"
        )
    return value.spec


def check_scheduled(name: str, raw: Callable[..., Any], method: MethodSpec, batching: Batching | None) -> None:
    """Raise `InvalidError` for a function that a schedule cannot call."""
    if method.web is not None:
        raise InvalidError(f"Web Functions are called by requests: `{name}` cannot have a schedule.")
    if method.is_generator:
        raise InvalidError(f"Generator Functions do not support schedules: `{name}` would yield to nobody.")
    if batching is not None:
        raise InvalidError(f"Batched functions are called with lists: `{name}` cannot have a schedule.")
    needed = [
        it.name
        for it in inspect.signature(raw).parameters.values()
        if it.default is it.empty and it.kind not in (it.VAR_POSITIONAL, it.VAR_KEYWORD)
    ]
    if needed:
        names = ", ".join(f"`{it}`" for it in needed)
        missing = f"{names} has no default" if len(needed) == 1 else f"{names} have no defaults"
        raise InvalidError(
            f"Function {name} has a schedule, so it needs to support being called with no arguments; {missing}."
        )


def _missed(value: Any) -> Missed:
    match value:
        case "run_once" | "skip":
            return value  # type: ignore[no-any-return]
    raise InvalidError(
        '`missed` must be "run_once" (what passed while the server was down runs once, late) or "skip" (it does not run), '
        f"got {value!r}"
    )


def _more(spec: ScheduleSpec) -> str:
    return ("" if spec.missed == "run_once" else f", missed={spec.missed!r}") + (
        "" if spec.overlap else ", overlap=False"
    )
