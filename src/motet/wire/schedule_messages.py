"""Messages about the schedules of deployed functions: requests, then replies."""

from __future__ import annotations

from motet.model.limits import Name
from motet.model.schedule import ScheduleView
from motet.wire.message import Message


class ListSchedules(Message, tag="list_schedules", frozen=True):
    """The schedules of a deployed app, or, without a name, of all of them, those that are next first; answered by
    `SchedulesListed`."""

    app: Name = ""


class ChangeSchedule(Message, tag="change_schedule", frozen=True):
    """Have a schedule pause, or go on: moments that passed meanwhile are not made up for. Answered by `SchedulesListed`, with
    that one."""

    app: Name
    function: Name
    paused: bool


class RunScheduled(Message, tag="run_scheduled", frozen=True):
    """Run a scheduled function now, whatever its schedule says; answered by `ScheduledRun`."""

    app: Name
    function: Name


class SchedulesListed(Message, tag="schedules_listed", frozen=True):
    found: list[ScheduleView]


class ScheduledRun(Message, tag="scheduled_run", frozen=True):
    """It runs as this call."""

    call_id: str


ScheduleRequest = ListSchedules | ChangeSchedule | RunScheduled
ScheduleReply = SchedulesListed | ScheduledRun
