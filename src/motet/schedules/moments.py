"""The moments of a schedule: each is a function of the schedule and of a moment before it. No clock is read here.

Moments are seconds of the wall clock, as `time.time()` gives them.

A cron expression is read as Debian's cron reads it. A job for a certain time of day that daylight time leaves out runs when the
clock has been put forward, and one whose time comes twice runs at the first of both. A job whose minute or hour begins with
`*` follows the clock: it has no moment in the hour that is left out, and runs through the hour that comes twice, twice.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from motet.errors import InvalidError
from motet.model.schedule import CronTimes, PeriodTimes, ScheduleSpec

_FIELDS = 5
_MAX_EXPRESSION = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SOON = 60.0
"""Seconds: how exactly the last moment is looked for, before the next one from there is it."""

Times = CronTimes | PeriodTimes


def check(times: Times) -> None:
    """Raise `InvalidError` for an expression or a time zone that is none, and for what never comes."""
    if isinstance(times, PeriodTimes):
        return
    if len(times.expression) > _MAX_EXPRESSION or len(times.expression.split()) != _FIELDS:
        raise InvalidError(
            f"Invalid cron expression {times.expression[:100]!r}: it has five fields with spaces between them, minute, hour, "
            'day of the month, month and day of the week, such as "0 6 * * MON-FRI"'
        )
    _zone(times.timezone)
    try:
        first = CronSim(times.expression, _EPOCH)
    except CronSimError as error:
        raise InvalidError(f"Invalid cron expression {times.expression!r}: {str(error).lower()}") from None
    if next(first, None) is None:
        raise InvalidError(f"Invalid cron expression {times.expression!r}: there is no such day in any year")


def next_moment(times: Times, began_at: float, after: float) -> float | None:
    """The first moment later than `after`; None: there is none. `began_at`: when the version was deployed, from which periods
    are counted."""
    try:
        if isinstance(times, PeriodTimes):
            return _next_of_period(times, began_at, after)
        return _next_of_cron(times, max(began_at, after))
    except (OverflowError, ValueError):
        return None  # beyond the calendar


def last_moment(times: Times, began_at: float, after: float, until: float) -> float | None:
    """The last moment that is later than `after` and not later than `until`; None: there is none."""
    found = next_moment(times, began_at, after)
    if found is None or found > until:
        return None
    # The next moment never gets earlier when time goes on: so the last one is found by halves, however many there are.
    low, high = found, until
    while high - low > _SOON:
        middle = (low + high) / 2
        later = next_moment(times, began_at, middle)
        if later is None or later > until:
            high = middle
        else:
            low = later
    while (later := next_moment(times, began_at, low)) is not None and later <= until:
        low = later
    return low


def check_schedule(spec: ScheduleSpec) -> ScheduleSpec:
    """The schedule. Raises as `check` does."""
    check(spec.when)
    return spec


# --- cron ---------------------------------------------------------------------------------------------------------------


def _next_of_cron(times: CronTimes, after: float) -> float | None:
    zone = _zone(times.timezone)
    moments = CronSim(times.expression, datetime.fromtimestamp(after, zone))
    for moment in moments:
        # In an hour that comes twice, what is found first may be in the first of both, which is over.
        if (found := moment.timestamp()) > after:
            return found
    return None


@functools.lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidError(
            f'Invalid timezone {name!r}: it is the name of a zone of the IANA database, such as "Europe/Berlin" or "UTC"'
        ) from None


# --- periods ------------------------------------------------------------------------------------------------------------


def _next_of_period(times: PeriodTimes, began_at: float, after: float) -> float:
    after = max(after, began_at)
    if not times.months:
        number = int((after - began_at) // times.seconds)
        # What is computed may be a little off.
        return next(
            moment for it in range(max(1, number), number + 3) if (moment := began_at + it * times.seconds) > after
        )
    low, high = 0, 1
    while _of_period(times, began_at, high) <= after:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _of_period(times, began_at, middle) <= after else (low, middle)
    return _of_period(times, began_at, high)


def _of_period(times: PeriodTimes, began_at: float, number: int) -> float:
    """The moment of this number. A day that a month lacks is its last one."""
    began = _EPOCH + timedelta(seconds=began_at)
    year, month = divmod(began.year * 12 + began.month - 1 + number * times.months, 12)
    moved = _with_month(began, year, month + 1)
    return (moved + timedelta(seconds=number * times.seconds) - _EPOCH).total_seconds()


def _with_month(moment: datetime, year: int, month: int) -> datetime:
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            if not 1 <= year <= 9999:
                raise OverflowError(f"year {year}") from None
    return moment.replace(year=year, month=month, day=min(moment.day, 28))
