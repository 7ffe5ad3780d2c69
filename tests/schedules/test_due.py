"""What a schedule asks for: what is due, what was missed, and what is never made up for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.model.schedule import CronTimes, Missed, PeriodTimes, ScheduleSpec
from motet.schedules.due import AHEAD, GRACE, Due, ScheduleProgress, due, next_at

BEGAN = 1_000_000.0
HOURLY = ScheduleSpec(when=PeriodTimes(seconds=3600.0))
SKIPPING = ScheduleSpec(when=PeriodTimes(seconds=3600.0), missed="skip")


def progress(hours_done: float = 0.0, **options: Any) -> ScheduleProgress:
    return ScheduleProgress(BEGAN, BEGAN + hours_done * 3600 if hours_done else 0.0, **options)


@pytest.mark.parametrize(
    ("spec", "done", "now", "found"),
    [
        (HOURLY, 0, 0.5, None),
        (HOURLY, 0, 1.0, Due(BEGAN + 3600, 0.0, False)),
        (HOURLY, 1, 1.5, None),
        (HOURLY, 1, 2.001, Due(BEGAN + 7200, 3.6, False)),
        # Three were missed: one run stands for all of them, for the last.
        (HOURLY, 1, 4.5, Due(BEGAN + 4 * 3600, 1800.0, False)),
        (SKIPPING, 1, 4.5, Due(BEGAN + 4 * 3600, 1800.0, True)),
        # A restart takes no more than a moment: nothing is missed.
        (SKIPPING, 1, 2 + GRACE / 3600, Due(BEGAN + 7200, GRACE, False)),
    ],
)
def test_what_is_due(spec: ScheduleSpec, done: float, now: float, found: Due | None) -> None:
    asked = due(spec, progress(done), BEGAN + now * 3600)
    assert asked == (found and Due(found.moment, pytest.approx(found.late), found.is_skipped))


def test_what_is_paused_asks_for_nothing() -> None:
    assert due(HOURLY, progress(1, paused=True), BEGAN + 1e6) is None
    assert next_at(HOURLY, progress(1, paused=True), BEGAN + 1e6) is None


def test_what_was_done_by_a_version_before_is_not_due_again_and_a_period_begins_anew() -> None:
    later = BEGAN + 1800
    deployed_again = ScheduleProgress(later, BEGAN + 3600)
    assert next_at(HOURLY, deployed_again, later) == later + 3600
    daily = ScheduleSpec(when=CronTimes(expression="0 6 * * *"))
    morning = 1_058_400.0
    assert next_at(daily, ScheduleProgress(BEGAN), BEGAN) == morning
    assert next_at(daily, ScheduleProgress(morning + 60, morning), morning + 60) == morning + 86400


def test_an_app_that_was_not_deployed_has_missed_nothing() -> None:
    long_after = BEGAN + 30 * 86400
    assert due(HOURLY, ScheduleProgress(long_after, BEGAN + 3600), long_after + 60) is None


def test_a_clock_that_was_set_back_runs_nothing_twice_unless_it_was_far_ahead() -> None:
    assert due(HOURLY, progress(10), BEGAN + 5.5 * 3600) is None
    assert next_at(HOURLY, progress(10), BEGAN + 5.5 * 3600) == BEGAN + 11 * 3600
    far_ahead = ScheduleProgress(BEGAN, BEGAN + 5.5 * 3600 + AHEAD + 1)
    assert next_at(HOURLY, far_ahead, BEGAN + 5.5 * 3600) == BEGAN + 6 * 3600


@given(
    st.sampled_from(["run_once", "skip"]),
    st.floats(1.0, 1e5),
    st.lists(st.floats(0.0, 3e5), min_size=1, max_size=20),
)
def test_each_moment_is_due_once_at_most_however_the_server_comes_and_goes(
    missed: Missed, period: float, steps: list[float]
) -> None:
    spec = ScheduleSpec(when=PeriodTimes(seconds=period), missed=missed)
    known, now, done = ScheduleProgress(BEGAN), BEGAN, list[float]()
    for step in steps:
        now += step
        while (found := due(spec, known, now)) is not None:
            assert found.moment <= now
            assert found.is_skipped == (missed == "skip" and found.late > GRACE)
            done.append(found.moment)
            known = ScheduleProgress(BEGAN, found.moment)
        following = next_at(spec, known, now)
        assert following is not None
        assert following > now
    assert done == sorted(set(done))
