"""Where inputs' time went, as records of real runs tell it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from motet.model.outcome import OutcomeKind
from motet.records.facts import StallRecord
from motet.records.inputs import InputRecord
from motet.records.queries import CallQuery, InputQuery
from motet.records.timeline import Timeline, timeline
from motet.server.wiring import open_archive
from motet.store.records import RecordArchive
from tests.e2e.programs.timelines import Slow, alone, app, dies_once, fails_once, parent


@contextmanager
def archive() -> Iterator[RecordArchive]:
    records = open_archive(Path(os.environ["MOTET_HOME"]))
    try:
        yield records
    finally:
        records.close()


def timelines_of(function: str, app_id: str | None) -> list[tuple[InputRecord, Timeline]]:
    with archive() as records:
        found = records.inputs(InputQuery(app=app_id, function=function))
        found.sort(key=lambda record: (record.submitted_at, record.index))
        return [(record, _timeline(records, record)) for record in found]


def _timeline(records: RecordArchive, record: InputRecord) -> Timeline:
    ids = [attempt.container_id for attempt in record.attempts]
    containers = {each.container_id: each for each in records.containers(ids=ids)}
    stalls = records.facts(StallRecord, ids, since=record.submitted_at, until=record.ended_at)
    return timeline(record, containers, stalls)


def test_a_cold_start_and_the_wait_for_a_slot_are_told_apart() -> None:
    with app.run():
        app_id = app.app_id
        calls = [alone.spawn(0.3) for _ in range(2)]
        for call in calls:
            call.get()
    (first, second) = timelines_of("alone", app_id)
    for record, told in (first, second):
        assert sum(told.seconds().values()) == pytest.approx(record.ended_at - record.submitted_at)
        assert told.seconds()["running"] == pytest.approx(0.3, abs=0.1)
    assert first[1].seconds()["starting"] > 0
    assert second[1].seconds()["slot"] > 0.25


def test_enter_hooks_are_a_phase_of_the_cold_start() -> None:
    with app.run():
        app_id = app.app_id
        Slow().wait.remote(0.0)
    ((_, told),) = timelines_of("Slow", app_id)
    assert told.seconds()["entering"] == pytest.approx(0.4, abs=0.1)


def test_an_input_that_held_the_loop_is_named_by_those_it_blocked() -> None:
    with app.run():
        app_id = app.app_id
        slow = Slow()
        slow.wait.remote(0.0)
        waiter = slow.wait.spawn(1.5)
        holder = slow.hold.spawn(0.9)
        waiter.get()
        holder.get()
        holder_id = f"in-{holder.object_id[3:]}-0"
        waiter_call = waiter.object_id
    (told,) = [told for record, told in timelines_of("Slow", app_id) if record.call_id == waiter_call]
    assert told.seconds()["blocked"] == pytest.approx(0.9, abs=0.4)
    assert {span.by for span in told.spans if span.phase == "blocked"} == {holder_id}


def test_a_retry_and_a_redelivery_are_attempts_of_their_own(tmp_path: Path) -> None:
    with app.run():
        app_id = app.app_id
        fails_once.remote(str(tmp_path / "failed"))
        dies_once.remote(str(tmp_path / "died"))
    ((_, retried),) = timelines_of("fails_once", app_id)
    assert [bar.kind for bar in retried.attempts] == [OutcomeKind.FAILURE, OutcomeKind.SUCCESS]
    ((_, redelivered),) = timelines_of("dies_once", app_id)
    assert [bar.kind for bar in redelivered.attempts] == [OutcomeKind.LOST, OutcomeKind.SUCCESS]
    assert len({bar.container_id for bar in redelivered.attempts}) == 2


def test_nested_calls_name_the_input_that_made_them() -> None:
    with app.run():
        app_id = app.app_id
        call = parent.spawn(0.0)
        call.get()
        graph = call.get_call_graph()
    assert [(info.function_name, info.module_name) for info in graph] == [("parent", "tests.e2e.programs.timelines")]
    assert [child.function_name for child in graph[0].children] == ["alone"]
    with archive() as records:
        (nested,) = records.calls(CallQuery(app=app_id, function="alone"))
    assert nested.call.parent_input_id == f"in-{call.object_id[3:]}-0"
