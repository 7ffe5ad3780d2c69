"""When a schedule's moments are: by tables over changes of daylight time, and by what holds of all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import InvalidError
from motet.model.schedule import CronTimes, PeriodTimes
from motet.schedules.moments import Times, check, last_moment, next_moment

BERLIN = "Europe/Berlin"
HOUR, DAY = 3600.0, 86400.0


def at(text: str, zone: str = "UTC") -> float:
    """2026-03-29T02:30; with * at the end, the second of two."""
    moment = datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=ZoneInfo(zone), fold=int(text.endswith("*")))
    return moment.timestamp()


def shown(moment: float, zone: str) -> str:
    local = datetime.fromtimestamp(moment, ZoneInfo(zone))
    return f"{local:%m-%dT%H:%M}" + ("*" if local.fold else "")


def following(times: Times, after: float, count: int, began_at: float = 0.0) -> list[float]:
    found = []
    while len(found) < count and (moment := next_moment(times, began_at, after)) is not None:
        found.append(after := moment)
    return found


@pytest.mark.parametrize(
    ("expression", "zone", "after", "moments"),
    [
        ("0 6 * * *", "UTC", "2026-03-28T06:00", ["03-29T06:00", "03-30T06:00"]),
        ("0 6 * * MON-FRI", "UTC", "2026-03-27T06:00", ["03-30T06:00", "03-31T06:00"]),
        ("0 0 L * *", "UTC", "2026-01-31T00:00", ["02-28T00:00", "03-31T00:00"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00", ["02-29T00:00"]),
        # Six in the morning is six in the morning, in summer and winter.
        ("0 6 * * *", BERLIN, "2026-03-28T06:00", ["03-29T06:00", "03-30T06:00"]),
        ("0 6 * * *", BERLIN, "2026-10-24T06:00", ["10-25T06:00", "10-26T06:00"]),
        # Half past two is left out on March 29: it runs when the clock has been put forward.
        ("30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29T03:00", "03-30T02:30"]),
        ("15,45 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29T03:00", "03-30T02:15"]),
        # It comes twice on October 25: it runs once.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25T02:30", "10-26T02:30"]),
        ("30 2 * * *", BERLIN, "2026-10-25T02:15*", ["10-26T02:30"]),
        # What follows the clock has no hour that is left out, and both of those that come twice.
        ("30 * * * *", BERLIN, "2026-03-29T01:00", ["03-29T01:30", "03-29T03:30", "03-29T04:30"]),
        ("30 * * * *", BERLIN, "2026-10-25T01:45", ["10-25T02:30", "10-25T02:30*", "10-25T03:30"]),
        ("*/20 2 * * *", BERLIN, "2026-10-25T02:30", ["10-25T02:40", "10-25T02:00*", "10-25T02:20*", "10-25T02:40*"]),
        ("0 2 * * *", "America/New_York", "2026-03-07T12:00", ["03-08T03:00", "03-09T02:00"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["11-01T01:30", "11-02T01:30"]),
        ("0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00", ["01-02T00:00", "01-03T00:00"]),
    ],
)
def test_moments_of_a_cron_expression(expression: str, zone: str, after: str, moments: list[str]) -> None:
    found = following(CronTimes(expression=expression, timezone=zone), at(after, zone), len(moments))
    assert [shown(moment, zone) for moment in found] == moments


@pytest.mark.parametrize(
    ("times", "began", "moments"),
    [
        (PeriodTimes(seconds=HOUR), "2026-03-29T00:30", ["03-29T01:30", "03-29T02:30", "03-29T03:30"]),
        (PeriodTimes(seconds=DAY), "2026-03-28T06:00", ["03-29T06:00", "03-30T06:00"]),
        # A day that a month lacks is its last one, and is there again in the next.
        (PeriodTimes(months=1), "2026-01-31T12:00", ["02-28T12:00", "03-31T12:00", "04-30T12:00"]),
        (PeriodTimes(months=12), "2024-02-29T12:00", ["02-28T12:00", "02-28T12:00", "02-28T12:00", "02-29T12:00"]),
        (PeriodTimes(months=1, seconds=DAY), "2026-01-31T12:00", ["03-01T12:00", "04-02T12:00", "05-03T12:00"]),
    ],
)
def test_moments_of_a_period_are_counted_from_its_beginning(times: PeriodTimes, began: str, moments: list[str]) -> None:
    found = following(times, at(began), len(moments), at(began))
    assert [shown(moment, "UTC") for moment in found] == moments


def test_nothing_comes_before_the_beginning() -> None:
    began = at("2026-06-01T12:00")
    assert next_moment(PeriodTimes(seconds=HOUR), began, 0.0) == began + HOUR
    assert next_moment(PeriodTimes(months=1), began, 0.0) == at("2026-07-01T12:00")
    assert next_moment(CronTimes(expression="0 6 * * *"), began, 0.0) == at("2026-06-02T06:00")


def test_of_many_moments_the_last_is_found() -> None:
    minutes = CronTimes(expression="* * * * *", timezone=BERLIN)
    now = at("2026-11-30T12:00:30")
    assert last_moment(minutes, 0.0, at("2016-01-01T00:00"), now) == at("2026-11-30T12:00")
    assert last_moment(minutes, 0.0, at("2026-11-30T12:00"), now) is None
    assert last_moment(minutes, now + 60, 0.0, now) is None


def test_what_is_beyond_the_calendar_never_comes() -> None:
    assert next_moment(PeriodTimes(months=12 * 9000), 0.0, 0.0) is None
    assert next_moment(PeriodTimes(months=1, seconds=1e12), 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "'': it has five fields"),
        ("* * * *", "it has five fields with spaces between them, minute, hour, day of the month"),
        ("0 0 6 * * *", "it has five fields"),
        ("@daily", "it has five fields"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * 31 2,4 *", "bad day-of-month"),
        ("* * * FOO *", "bad month"),
        ("* * * * MON#6", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("* * * * " + "1," * 1000 + "1", "it has five fields"),
    ],
)
def test_an_expression_that_is_none_is_told(expression: str, says: str) -> None:
    with pytest.raises(InvalidError, match=r"^Invalid cron expression .*") as caught:
        check(CronTimes(expression=expression))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b", "\udcff", "x" * 300]
)
def test_a_time_zone_that_is_none_is_told(zone: str) -> None:
    with pytest.raises(InvalidError, match=r"^Invalid timezone .*: it is the name of a zone of the IANA database"):
        check(CronTimes(expression="* * * * *", timezone=zone))


def test_periods_are_told_as_people_say_them() -> None:
    assert str(PeriodTimes(seconds=HOUR)) == "every 1 hour"
    assert str(PeriodTimes(months=14, seconds=2 * DAY + 61.5)) == "every 1 year 2 months 2 days 1 minute 1.5 seconds"
    assert str(CronTimes(expression="0 6 * * *", timezone=BERLIN)) == "0 6 * * * (Europe/Berlin)"


# --- what holds of all ----------------------------------------------------------------------------------------------------

ZONES = ["UTC", BERLIN, "America/New_York", "Australia/Sydney", "Asia/Kathmandu", "America/Havana"]
_minute = st.sampled_from(["*", "*/15", "0", "30", "5,35", "59", "0-10"])
_hour = st.sampled_from(["*", "*/6", "0", "1", "2", "3", "1-3", "2,14", "23"])
_day = st.sampled_from(["*", "1", "29", "L", "*/5"])
_month = st.sampled_from(["*", "3", "10", "3,10,11"])
_weekday = st.sampled_from(["*", "SUN", "1-5", "0#1", "5L"])
crons = st.builds(
    lambda fields, zone: CronTimes(expression=" ".join(fields), timezone=zone),
    st.tuples(_minute, _hour, _day, _month, _weekday),
    st.sampled_from(ZONES),
)
periods = st.builds(PeriodTimes, months=st.sampled_from([0, 0, 1, 5, 12]), seconds=st.floats(1.0, 40 * DAY))
days_of_change = ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2028-02-28"]
moments = st.builds(lambda day, seconds: at(day) + seconds, st.sampled_from(days_of_change), st.floats(-DAY, 2 * DAY))


@given(st.one_of(crons, periods), moments)
def test_the_next_moment_is_later_and_nothing_lies_between(times: Times, after: float) -> None:
    check(times)
    found = following(times, after, 4, began_at=at("2026-01-31T10:30"))
    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    # From anywhere between two of them, the next is the same.
    for earlier, later in pairwise([after, *found]):
        for part in (0.01, 0.5, 0.99):
            between = earlier + (later - earlier) * part
            if between < later:
                assert next_moment(times, at("2026-01-31T10:30"), between) == later


@given(st.one_of(crons, periods), moments, st.floats(0.0, 400 * DAY))
def test_the_last_moment_is_the_one_after_which_none_has_come(times: Times, after: float, span: float) -> None:
    began, until = at("2026-01-31T10:30"), after + span
    found = last_moment(times, began, after, until)
    if found is None:
        later = next_moment(times, began, after)
        assert later is None or later > until
    else:
        assert after < found <= until
        later = next_moment(times, began, found)
        assert later is None or later > until


@given(crons, moments)
def test_moments_are_those_that_the_expression_says(times: CronTimes, after: float) -> None:
    """By the local clock: but for what daylight time has moved, the minute and the hour are among those that are named."""
    (found,) = following(times, after, 1)
    local = datetime.fromtimestamp(found, ZoneInfo(times.timezone))
    assert local.second == 0
    before = datetime.fromtimestamp(found - 1, ZoneInfo(times.timezone))
    minute, hour = times.expression.split()[:2]
    if local.utcoffset() == before.utcoffset():
        assert local.minute in _numbers(minute, 60)
        assert local.hour in _numbers(hour, 24)


def _numbers(field: str, size: int) -> set[int]:
    if field.startswith("*"):
        return set(range(0, size, int(field[2:] or 1)))
    if "-" in field:
        first, last = map(int, field.split("-"))
        return set(range(first, last + 1))
    return {int(each) for each in field.split(",")}


def test_utc_needs_no_database_of_zones() -> None:
    assert datetime.fromtimestamp(following(CronTimes(expression="0 0 1 1 *"), 0.0, 1)[0], UTC).year == 1971
