"""Faults that are planted in what runs schedules, and in what it stands on."""

from __future__ import annotations

import msgspec
import pytest

from motet.errors import Error
from motet.model.schedule import ScheduleSpec
from motet.schedules.due import Due, ScheduleProgress, due
from motet.server.deployments import schedules
from motet.server.deployments.schedules import Schedules, call_id_of
from motet.server.journal import durable_calls


def what_could_not_be_run_counts_as_run(patch: pytest.MonkeyPatch) -> None:
    """It is not tried again."""
    spawn = Schedules._spawn_as_owner

    async def once(self: Schedules, scheduled: object, call_id: str) -> None:
        try:
            await spawn(self, scheduled, call_id)  # type: ignore[arg-type]
        except Error:
            """It does not matter."""

    patch.setattr(Schedules, "_spawn_as_owner", once)


def _with_missed(patch: pytest.MonkeyPatch, missed: str) -> None:
    def as_if(spec: ScheduleSpec, progress: ScheduleProgress, now: float) -> Due | None:
        return due(msgspec.structs.replace(spec, missed=missed), progress, now)

    patch.setattr(schedules, "due", as_if)


def missed_moments_are_not_made_up_for(patch: pytest.MonkeyPatch) -> None:
    """Also where they are to be."""
    _with_missed(patch, "skip")


def missed_moments_are_made_up_for(patch: pytest.MonkeyPatch) -> None:
    """Also where they are to be skipped."""
    _with_missed(patch, "run_once")


def runs_begin_beside_each_other(patch: pytest.MonkeyPatch) -> None:
    """Whether they may or not."""
    init = Schedules.__init__

    def blind(self: Schedules, *parts: object) -> None:
        init(self, *parts)  # type: ignore[arg-type]
        self._has_call = lambda call_id: False

    patch.setattr(Schedules, "__init__", blind)


def moments_come_too_early(patch: pytest.MonkeyPatch) -> None:
    """By two seconds."""
    patch.setattr(schedules, "due", lambda spec, progress, now: due(spec, progress, now + 2.0))


def each_server_has_calls_of_its_own_for_moments(patch: pytest.MonkeyPatch) -> None:
    """Their ids do not follow from the moment alone."""
    patch.setattr(schedules, "call_id_of", lambda key, moment: call_id_of((*key, "again"), moment))  # type: ignore[arg-type]


def unclear_commits_are_taken_for_failed_ones(patch: pytest.MonkeyPatch) -> None:
    """What they have kept all the same runs when another server begins, if one ever does."""
    patch.setattr(durable_calls, "is_unclear", lambda keeper, event, error, then: False)
