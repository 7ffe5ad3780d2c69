"""What the server remembers: gathered on its loop, kept on another thread, with moments on the wall clock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from motet.core.commands import ReportDecision
from motet.errors import ServiceError
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.inputs import InputRecord
from motet.records.pools import FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.records.successes import Successes
from motet.server import record_keeper
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


# --- stores on bad days -----------------------------------------------------------------------------------------------


class Moody(SqliteRecords):
    """Raises what `problems` says, one for each batch that is added, as long as there are any."""

    def __init__(self, *problems: Exception | None) -> None:
        super().__init__(":memory:")
        self.problems = list(problems)

    def add(self, batch: RecordBatch) -> None:
        if self.problems and (problem := self.problems.pop(0)) is not None:
            raise problem
        super().add(batch)


@contextlib.contextmanager
def opened(store: SqliteRecords) -> Iterator[RecordStore]:
    yield store
    store.close()


def texts(recorder: Recorder) -> list[str]:
    assert recorder.store is not None
    return [line.text for line in recorder.store.logs(LogQuery(limit=1000))]


async def settled(recorder: Recorder) -> None:
    """What was taken is kept, and what there was to say about it, too."""
    for _ in range(2):
        await recorder.flush()
        await asyncio.sleep(0)
    await recorder.flush()


@pytest.mark.parametrize("index", [2**63, -(2**63) - 1])
def test_a_record_that_no_store_takes_is_lost_without_its_neighbours(
    index: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(recorder: Recorder) -> None:
        now = asyncio.get_running_loop().time()
        recorder.calls_made([CallRecord("fc-1", "fu-1", CallKind.ATTACHED, "", now)])
        recorder.inputs_ended("fu-1", [an_input(now, n) for n in (0, 1, index, 2, 3)])
        recorder.lines_written("fu-1", "ta-1", "stdout", ["a", "b"], call_id="fc-1", index=0)
        await settled(recorder)
        assert recorder.store is not None
        kept = recorder.store.inputs(InputQuery(call_id="fc-1"))
        assert [record.index for record in kept] == [0, 1, 2, 3]
        assert texts(recorder) == ["a", "b", "1 ended input could not be kept"]

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert "1 ended input cannot be kept: OverflowError" in caplog.text


@pytest.mark.parametrize(
    "problem", [OverflowError("too large"), MemoryError(), RuntimeError("a bug"), KeyError("no"), ServiceError("full")]
)
def test_whatever_a_store_raises_the_thread_goes_on_and_counts(problem: Exception) -> None:
    store = Moody(None, *[problem] * 200)

    async def scene(recorder: Recorder) -> None:
        await recorder.flush()
        for number in range(3):
            recorder.lines_written("fu-1", "ta-1", "stdout", [f"lost {number}"])
            await recorder.flush()
        store.problems.clear()
        recorder.lines_written("fu-1", "ta-1", "stdout", ["kept"])
        await settled(recorder)
        kept = texts(recorder)
        assert kept == ["kept", "3 lines could not be kept"]

    play(scene, lambda: opened(store))


def test_a_disk_that_was_full_is_written_again_and_what_was_lost_meanwhile_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Moody(None, *[ServiceError("no space is left")] * 2)

    async def scene(recorder: Recorder) -> None:
        await recorder.flush()
        now = asyncio.get_running_loop().time()
        recorder.lines_written("fu-1", "ta-1", "stdout", ["a", "b"])
        await settled(recorder)
        recorder.inputs_ended("fu-1", [an_input(now)])
        await settled(recorder)
        recorder.lines_written("fu-1", "ta-1", "stdout", ["c"])
        await settled(recorder)
        assert texts(recorder) == ["c", "2 lines and 1 ended input could not be kept"]

    with caplog.at_level(logging.WARNING):
        play(scene, lambda: opened(store))
    assert caplog.text.count("no space is left") == 1
    assert caplog.text.count("is kept again; 2 lines and 1 ended input are lost") == 1


def test_a_disk_that_hangs_holds_up_nobody_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()

    class Hanging(SqliteRecords):
        def add(self, batch: RecordBatch) -> None:
            hangs.wait(20)
            super().add(batch)

    async def scene(recorder: Recorder) -> None:
        now = asyncio.get_running_loop().time()
        for number in range(50):
            recorder.lines_written("fu-1", "ta-1", "stdout", ["x" * 1000])
            recorder.inputs_ended("fu-1", [an_input(now, number)])
            recorder.inputs_succeeded("fu-1", successes(an_input(now, number)))
            recorder.calls_made([CallRecord(f"fc-{number}", "fu-1", CallKind.ATTACHED, "", now)])
            recorder._hand_over()
        assert recorder._waiting_bytes < 12_000
        for _ in range(3):
            with pytest.raises(ServiceError, match="could not be put into the records within"):
                await recorder.flush()
        assert recorder._queue.qsize() < 20
        monkeypatch.setattr(recorder_module, "FLUSH_TIMEOUT", 20)  # the disk answers, on a busy machine, too
        hangs.set()
        await settled(recorder)
        assert (recorder._waiting_bytes, recorder._waiting_lines) == (0, 0)
        (told,) = [text for text in texts(recorder) if "came faster" in text]
        kept = texts(recorder).count("x" * 1000)
        assert f"{50 - kept} lines and " in told
        assert 0 < kept < 20

    monkeypatch.setattr(recorder_module, "MAX_WAITING_BYTES", 10_000)
    monkeypatch.setattr(recorder_module, "FLUSH_TIMEOUT", 0.01)
    play(scene, lambda: opened(Hanging(":memory:")))


def test_a_store_that_does_not_close_does_not_keep_the_server_from_ending(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hangs = threading.Event()

    @contextlib.contextmanager
    def stuck() -> Iterator[RecordStore]:
        with contextlib.closing(SqliteRecords(":memory:")) as store:
            yield store
        hangs.wait(20)
        raise RuntimeError("the file is gone")

    async def scene(recorder: Recorder) -> None:
        await recorder.flush()

    monkeypatch.setattr(recorder_module, "CLOSE_TIMEOUT", 0.01)
    with caplog.at_level(logging.WARNING):
        play(scene, stuck)
    assert "their disk did not take them" in caplog.text
    hangs.set()


@pytest.mark.parametrize("problem", [ValueError("odd"), OSError("no such disk"), ServiceError("the disk is on fire")])
def test_whoever_asks_a_server_without_a_store_is_answered(problem: Exception) -> None:
    @contextlib.contextmanager
    def broken() -> Iterator[RecordStore]:
        raise problem
        yield

    async def scene(recorder: Recorder) -> None:
        recorder.lines_written("fu-1", "ta-1", "stdout", ["a"])
        await recorder.flush()
        assert recorder.store is None
        await recorder.close()
        await recorder.flush()

    play(scene, broken)


def test_who_follows_and_fails_keeps_nobody_else_from_being_told() -> None:
    async def scene(recorder: Recorder) -> None:
        await recorder.flush()
        told: list[RecordBatch] = []
        recorder.subscribe(lambda batch: told[1].apps.clear())
        recorder.subscribe(told.append)
        recorder.lines_written("fu-1", "ta-1", "stdout", ["a"])
        await settled(recorder)
        assert len(told) == 1

    play(scene)


def test_what_is_too_old_goes_while_the_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Moody()
    tidied: list[int] = []

    async def main() -> None:
        recorder = Recorder(asyncio.get_running_loop(), lambda: opened(store), 3600.0, lambda: tidied.append(1))
        recorder.open()
        recorder.lines_written("fu-1", "ta-1", "stdout", ["old"], at=time.time() - 7200.0)
        recorder.lines_written("fu-1", "ta-1", "stdout", ["new"])
        await settled(recorder)
        recorder.lines_written("fu-1", "ta-1", "stdout", ["newer"])
        await settled(recorder)
        assert tidied != []
        assert "new" in texts(recorder)
        await recorder.close()

    monkeypatch.setattr(record_keeper, "FORGET_INTERVAL", 0.0)
    asyncio.run(main())
