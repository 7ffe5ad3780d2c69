"""`motet.Cron`, `motet.Period` and the `schedule` keyword: what they mean, and what is said of those that cannot be."""

from __future__ import annotations

from typing import Any

import pytest

import motet
from motet.errors import InvalidError
from motet.model.schedule import CronTimes, PeriodTimes, ScheduleSpec


def nightly() -> None: ...


def with_default(day: str = "today", *more: int, **options: int) -> None: ...


def needs(day: str, hour: int, minute: int = 0) -> None: ...


def needs_one(*, day: str) -> None: ...


def yields() -> Any:
    yield 1


def lists(values: list[int]) -> list[int]:
    return values


def test_a_schedule_is_a_part_of_what_is_declared() -> None:
    app = motet.App()
    function = app.function(schedule=motet.Cron("0 6 * * *", timezone="Europe/Berlin"))(nightly)
    assert function.target.spec.schedule == ScheduleSpec(
        when=CronTimes(expression="0 6 * * *", timezone="Europe/Berlin")
    )
    assert app.function(name="plain")(nightly).target.spec.schedule is None
    hourly = app.function(name="hourly", schedule=motet.Period(hours=1, missed="skip", overlap=False))(with_default)
    assert hourly.target.spec.schedule == ScheduleSpec(when=PeriodTimes(seconds=3600.0), missed="skip", overlap=False)


@pytest.mark.parametrize(
    ("period", "times"),
    [
        ({"days": 1}, PeriodTimes(seconds=86400.0)),
        ({"weeks": 2, "hours": 3, "minutes": 4, "seconds": 5.5}, PeriodTimes(seconds=14 * 86400 + 11045.5)),
        ({"years": 1, "months": 2}, PeriodTimes(months=14)),
        ({"seconds": 1}, PeriodTimes(seconds=1.0)),
    ],
)
def test_a_period_is_months_and_seconds(period: dict[str, Any], times: PeriodTimes) -> None:
    assert motet.Period(**period).spec.when == times


@pytest.mark.parametrize(
    ("period", "says"),
    [
        ({}, "A Period is at least 1 second long, not 0: give it `hours=1`, for example."),
        ({"seconds": 0.5}, "A Period is at least 1 second long, not 0.5"),
        ({"hours": 1.5}, "Invalid hours of a Period: 1.5. It must be an int from 0 to 1,000,000."),
        ({"days": -1}, "Invalid days of a Period: -1."),
        ({"days": True}, "Invalid days of a Period: True."),
        ({"seconds": float("nan")}, "Invalid seconds of a Period: nan."),
        ({"seconds": "1"}, "Invalid seconds of a Period: '1'."),
        ({"hours": 1, "missed": "later"}, '`missed` must be "run_once"'),
        ({"hours": 1, "overlap": "no"}, "`overlap` must be True or False, got 'no'"),
    ],
)
def test_a_period_that_cannot_be_is_told(period: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.Period(**period)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("0 6 * *",), "Invalid cron expression '0 6 * *': it has five fields with spaces between them"),
        (("0 25 * * *",), "Invalid cron expression '0 25 * * *': bad hour"),
        ((None,), "Invalid cron expression None: it is a str"),
        (("0 6 * * *", "Europe/Berlon"), "Invalid timezone 'Europe/Berlon': it is the name of a zone"),
        (("0 6 * * *", None), "Invalid timezone None: it is a str"),
    ],
)
def test_a_cron_that_cannot_be_is_told_where_it_is_declared(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.Cron(*arguments)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (
            needs,
            "Function needs has a schedule, so it needs to support being called with no arguments; `day`, `hour` have no",
        ),
        (needs_one, "with no arguments; `day` has no default."),
        (yields, "Generator Functions do not support schedules"),
        (motet.batched(max_batch_size=2, wait_ms=1)(lists), "Batched functions are called with lists"),
        (motet.asgi_app()(nightly), "Web Functions are called by requests: `nightly` cannot have a schedule."),
    ],
)
def test_a_function_that_no_schedule_can_call_is_told(function: Any, says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        motet.App().function(schedule=motet.Period(hours=1))(function)
    assert says in str(caught.value)


@pytest.mark.parametrize("value", ["0 6 * * *", 3600, object()])
def test_what_is_no_schedule_is_told(value: Any) -> None:
    with pytest.raises(InvalidError, match=r"`schedule` must be a `motet.Cron` or a `motet.Period`, such as"):
        motet.App().function(schedule=value)


def test_schedules_are_shown_and_compared_by_what_they_mean() -> None:
    assert repr(motet.Cron("0 6 * * *")) == "Cron('0 6 * * *', timezone='UTC')"
    assert repr(motet.Cron("0 6 * * *", "Asia/Tokyo", missed="skip", overlap=False)) == (
        "Cron('0 6 * * *', timezone='Asia/Tokyo', missed='skip', overlap=False)"
    )
    assert repr(motet.Period(months=1, hours=1)) == "Period(months=1, seconds=3600)"
    assert motet.Period(hours=1) == motet.Period(minutes=60) != motet.Period(hours=2)
    assert len({motet.Period(hours=1), motet.Period(minutes=60)}) == 1
