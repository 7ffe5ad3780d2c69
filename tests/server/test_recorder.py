"""What the server remembers: gathered on its loop, kept on another thread, with moments on the wall clock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from motet.core.commands import ReportDecision
from motet.errors import ServiceError
from motet.model.outcome import CallKind, OutcomeKind
from motet.model.record_batch import RecordBatch
from motet.model.record_queries import CallQuery, InputQuery, LogQuery
from motet.model.records import CallRecord, FunctionRecord, InputRecord
from motet.model.successes import Successes
from motet.server import recorder as recorder_module
from motet.server.recorder import Recorder
from motet.store.records import RecordStore
from motet.store.sqlite_records import SqliteRecords

Scene = Callable[[Recorder], Coroutine[Any, Any, None]]


@contextlib.contextmanager
def in_memory() -> Iterator[RecordStore]:
    store = SqliteRecords(":memory:")
    try:
        yield store
    finally:
        store.close()


def play(scene: Scene, open_store: Callable[[], AbstractContextManager[RecordStore]] = in_memory) -> None:
    async def main() -> None:
        recorder = Recorder(asyncio.get_running_loop(), open_store, keep_for=3600.0)
        recorder.open()
        try:
            recorder.app_started("ap-1", "app")
            recorder.function_added(FunctionRecord("fu-1", "ap-1", "f", 1, 1))
            await scene(recorder)
        finally:
            await recorder.close()

    asyncio.run(main())


def an_input(began: float, index: int = 0) -> InputRecord:
    return InputRecord("fc-1", index, began, began + 2.0, OutcomeKind.SUCCESS, "ta-1", began + 1.0, began + 2.0)


def successes(it: InputRecord) -> Successes:
    columns = ([it.index], [it.submitted_at], [it.ended_at], [it.container_id], [it.delivered_at], [it.began])
    return Successes(it.call_id, *columns, [it.finished])


def test_moments_of_the_loops_clock_are_kept_on_the_wall_clock() -> None:
    async def scene(recorder: Recorder) -> None:
        now = asyncio.get_running_loop().time()
        recorder.calls_made([CallRecord("fc-1", "fu-1", CallKind.ATTACHED, "", now)])
        recorder.inputs_ended("fu-1", [an_input(now)])
        await recorder.flush()
        assert recorder.store is not None
        (record,) = recorder.store.inputs(InputQuery(call_id="fc-1"))
        (call,) = recorder.store.calls(CallQuery())
        assert record.submitted_at == pytest.approx(time.time(), abs=1.0)
        assert call.call.submitted_at == pytest.approx(record.submitted_at)
        assert record.ended_at - record.submitted_at == pytest.approx(2.0)
        assert record.attempts[0].delivered_at - record.submitted_at == pytest.approx(1.0)

    play(scene)


@pytest.mark.parametrize("count", [1, 63, 64, 999, 1000, 2500])
def test_inputs_that_succeed_are_kept_however_many_come_together(count: int) -> None:
    async def scene(recorder: Recorder) -> None:
        now = asyncio.get_running_loop().time()
        recorder.calls_made([CallRecord("fc-1", "fu-1", CallKind.ATTACHED, "", now)])
        told = [an_input(now, index) for index in range(count)]
        for record in told:
            recorder.inputs_succeeded("fu-1", successes(record))
        recorder.inputs_ended("fu-1", [an_input(now, count)])
        await recorder.flush()
        assert recorder.store is not None
        kept = recorder.store.inputs(InputQuery(call_id="fc-1", limit=count + 1))
        assert [record.index for record in kept] == list(range(count + 1))
        wall = recorder.wall(0.0)
        assert kept[count - 1] == told[-1].later(wall)
        summary = recorder.store.call("fc-1")
        assert summary is not None
        assert (summary.succeeded, summary.ended_at) == (count + 1, pytest.approx(now + 2.0 + wall))

    play(scene)


def test_a_container_is_kept_as_it_is_by_then() -> None:
    async def scene(recorder: Recorder) -> None:
        recorder.container_started("ta-1", "fu-1", 0.5, "one waits")
        recorder.container_connected("ta-1")
        await recorder.flush()
        assert recorder.store is not None
        record = recorder.store.container("ta-1")
        assert record is not None
        assert (record.reason, record.ready_at) == ("one waits", None)
        assert record.started_at - record.wanted_at == pytest.approx(0.5)
        recorder.container_ready("ta-1", 0.0)
        recorder.container_ended("ta-1", "exited with status 0")
        await recorder.flush()
        record = recorder.store.container("ta-1")
        assert record is not None
        assert record.ready_at is not None
        assert "exited with status 0" in record.end

    play(scene)


def test_decisions_are_kept_with_their_reason() -> None:
    async def scene(recorder: Recorder) -> None:
        recorder.decided(ReportDecision("fu-1", 3, 1, 1, 7, 2, "7 inputs want 3"))
        await recorder.flush()
        assert recorder.store is not None
        (kept,) = recorder.store.decisions("fu-1")
        assert (kept.desired, kept.waiting_inputs, kept.reason) == (3, 7, "7 inputs want 3")

    play(scene)


def test_who_subscribed_is_told_after_it_was_kept_and_not_any_more_afterwards() -> None:
    async def scene(recorder: Recorder) -> None:
        await recorder.flush()
        told: list[RecordBatch] = []
        unsubscribe = recorder.subscribe(told.append)
        recorder.lines_written("fu-1", "ta-1", "stdout", ["a"])
        await recorder.flush()
        await asyncio.sleep(0)
        assert [batch.logs[0].lines for batch in told] == [["a"]]
        unsubscribe()
        recorder.lines_written("fu-1", "ta-1", "stdout", ["b"])
        await recorder.flush()
        await asyncio.sleep(0)
        assert len(told) == 1

    play(scene)


def test_lines_that_the_disk_does_not_keep_up_with_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(recorder: Recorder) -> None:
        for number in range(20):
            recorder.lines_written("fu-1", "ta-1", "stdout", [f"line {number}"])
        await recorder.flush()
        await asyncio.sleep(0)
        await recorder.flush()
        assert recorder.store is not None
        *kept, notice = recorder.store.logs(LogQuery(limit=100))
        assert [line.text for line in kept] == [f"line {number}" for number in range(11)]
        assert (notice.source, notice.text) == (
            "system",
            "9 lines are not kept: they came faster than they could be written",
        )

    monkeypatch.setattr(recorder_module, "MAX_WAITING_LINES", 10)
    play(scene)


def test_a_store_that_cannot_be_opened_costs_a_warning_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.contextmanager
    def closed() -> Iterator[RecordStore]:
        raise ServiceError("the disk is on fire")
        yield

    async def scene(recorder: Recorder) -> None:
        recorder.lines_written("fu-1", "ta-1", "stdout", ["a"])
        await recorder.flush()
        assert recorder.store is None

    with caplog.at_level(logging.WARNING):
        play(scene, closed)
    assert "the disk is on fire" in caplog.text


def test_a_store_that_fails_is_given_up_once(caplog: pytest.LogCaptureFixture) -> None:
    class Full(SqliteRecords):
        def add(self, batch: RecordBatch) -> None:
            raise ServiceError("no space is left")

    @contextlib.contextmanager
    def full() -> Iterator[RecordStore]:
        with contextlib.closing(Full(":memory:")) as store:
            yield store

    async def scene(recorder: Recorder) -> None:
        for _ in range(3):
            recorder.lines_written("fu-1", "ta-1", "stdout", ["a"])
            await recorder.flush()

    with caplog.at_level(logging.WARNING):
        play(scene, full)
    assert caplog.text.count("no space is left") == 1
