"""Records on their way to the store: gathered on the loop, kept on another thread, with moments on the wall clock."""

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

from motet.errors import ServiceError
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.records.successes import Successes
from motet.server.clock import Clock
from motet.server.records import keeper
from motet.server.records import queue as queue_module
from motet.server.records.queue import RecordQueue
from motet.store.records import RecordStore
from motet.store.sqlite_records import SqliteRecords

Scene = Callable[[RecordQueue], Coroutine[Any, Any, None]]


@contextlib.contextmanager
def in_memory() -> Iterator[RecordStore]:
    store = SqliteRecords(":memory:")
    try:
        yield store
    finally:
        store.close()


def loop_and_clock() -> tuple[asyncio.AbstractEventLoop, Clock]:
    loop = asyncio.get_running_loop()
    return loop, Clock.of_loop(loop)


def play(scene: Scene, open_store: Callable[[], AbstractContextManager[RecordStore]] = in_memory) -> None:
    async def main() -> None:
        records = RecordQueue(*loop_and_clock(), open_store, keep_for=3600.0)
        records.open()
        try:
            records.add_app(AppRecord("ap-1", "app", 1.0))
            records.add_function(FunctionRecord("fu-1", "ap-1", "f", 1, 1))
            await scene(records)
        finally:
            await records.close()

    asyncio.run(main())


def lines(texts: list[str], call_id: str = "", index: int = -1, at: float | None = None) -> LogBatch:
    return LogBatch(time.time() if at is None else at, "fu-1", "ta-1", call_id, index, "stdout", texts)


def an_input(began: float, index: int = 0) -> InputRecord:
    return InputRecord("fc-1", index, began, began + 2.0, OutcomeKind.SUCCESS, "ta-1", began + 1.0, began + 2.0)


def successes(it: InputRecord) -> Successes:
    columns = ([it.index], [it.submitted_at], [it.ended_at], [it.container_id], [it.delivered_at], [it.began])
    return Successes(it.call_id, *columns, [it.finished])


def test_moments_of_the_loops_clock_are_kept_on_the_wall_clock() -> None:
    async def scene(records: RecordQueue) -> None:
        now = asyncio.get_running_loop().time()
        records.add_calls([CallRecord("fc-1", "fu-1", CallKind.ATTACHED, "", now)])
        records.add_inputs("fu-1", [an_input(now)])
        await records.flush()
        assert records.store is not None
        (record,) = records.store.inputs(InputQuery(call_id="fc-1"))
        (call,) = records.store.calls(CallQuery())
        assert record.submitted_at == pytest.approx(time.time(), abs=1.0)
        assert call.call.submitted_at == pytest.approx(record.submitted_at)
        assert record.ended_at - record.submitted_at == pytest.approx(2.0)
        assert record.attempts[0].delivered_at - record.submitted_at == pytest.approx(1.0)

    play(scene)


@pytest.mark.parametrize("count", [1, 63, 64, 999, 1000, 2500])
def test_inputs_that_succeed_are_kept_however_many_come_together(count: int) -> None:
    async def scene(records: RecordQueue) -> None:
        now = asyncio.get_running_loop().time()
        records.add_calls([CallRecord("fc-1", "fu-1", CallKind.ATTACHED, "", now)])
        told = [an_input(now, index) for index in range(count)]
        for record in told:
            records.add_successes("fu-1", successes(record))
        records.add_inputs("fu-1", [an_input(now, count)])
        await records.flush()
        assert records.store is not None
        kept = records.store.inputs(InputQuery(call_id="fc-1", limit=count + 1))
        assert [record.index for record in kept] == list(range(count + 1))
        wall = records._clock.offset
        assert kept[count - 1] == told[-1].later(wall)
        summary = records.store.call("fc-1")
        assert summary is not None
        assert (summary.succeeded, summary.ended_at) == (count + 1, pytest.approx(now + 2.0 + wall))

    play(scene)


def test_who_subscribed_is_told_after_it_was_kept_and_not_any_more_afterwards() -> None:
    async def scene(records: RecordQueue) -> None:
        await records.flush()
        told: list[RecordBatch] = []
        unsubscribe = records.subscribe(told.append)
        records.add_lines(lines(["a"]))
        await records.flush()
        await asyncio.sleep(0)
        assert [batch.logs[0].lines for batch in told] == [["a"]]
        unsubscribe()
        records.add_lines(lines(["b"]))
        await records.flush()
        await asyncio.sleep(0)
        assert len(told) == 1

    play(scene)


def test_lines_that_the_disk_does_not_keep_up_with_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(records: RecordQueue) -> None:
        for number in range(20):
            records.add_lines(lines([f"line {number}"]))
        await records.flush()
        await asyncio.sleep(0)
        await records.flush()
        assert records.store is not None
        *kept, notice = records.store.logs(LogQuery(limit=100))
        assert [line.text for line in kept] == [f"line {number}" for number in range(11)]
        assert (notice.source, notice.text) == (
            "system",
            "9 lines are not kept: they came faster than they could be written",
        )

    monkeypatch.setattr(queue_module, "MAX_WAITING_LINES", 10)
    play(scene)


def test_a_store_that_cannot_be_opened_costs_a_warning_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.contextmanager
    def closed() -> Iterator[RecordStore]:
        raise ServiceError("the disk is on fire")
        yield

    async def scene(records: RecordQueue) -> None:
        records.add_lines(lines(["a"]))
        await records.flush()
        assert records.store is None

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

    async def scene(records: RecordQueue) -> None:
        for _ in range(3):
            records.add_lines(lines(["a"]))
            await records.flush()

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


def texts(records: RecordQueue) -> list[str]:
    assert records.store is not None
    return [line.text for line in records.store.logs(LogQuery(limit=1000))]


async def settled(records: RecordQueue) -> None:
    """What was taken is kept, and what there was to say about it, too."""
    for _ in range(2):
        await records.flush()
        await asyncio.sleep(0)
    await records.flush()


@pytest.mark.parametrize("index", [2**63, -(2**63) - 1])
def test_a_record_that_no_store_takes_is_lost_without_its_neighbours(
    index: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(records: RecordQueue) -> None:
        now = asyncio.get_running_loop().time()
        records.add_calls([CallRecord("fc-1", "fu-1", CallKind.ATTACHED, "", now)])
        records.add_inputs("fu-1", [an_input(now, n) for n in (0, 1, index, 2, 3)])
        records.add_lines(lines(["a", "b"], "fc-1", 0))
        await settled(records)
        assert records.store is not None
        kept = records.store.inputs(InputQuery(call_id="fc-1"))
        assert [record.index for record in kept] == [0, 1, 2, 3]
        assert texts(records) == ["a", "b", "1 ended input could not be kept"]

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert "1 ended input cannot be kept: OverflowError" in caplog.text


@pytest.mark.parametrize(
    "problem", [OverflowError("too large"), MemoryError(), RuntimeError("a bug"), KeyError("no"), ServiceError("full")]
)
def test_whatever_a_store_raises_the_thread_goes_on_and_counts(problem: Exception) -> None:
    store = Moody(None, *[problem] * 200)

    async def scene(records: RecordQueue) -> None:
        await records.flush()
        for number in range(3):
            records.add_lines(lines([f"lost {number}"]))
            await records.flush()
        store.problems.clear()
        records.add_lines(lines(["kept"]))
        await settled(records)
        kept = texts(records)
        assert kept == ["kept", "3 lines could not be kept"]

    play(scene, lambda: opened(store))


def test_a_disk_that_was_full_is_written_again_and_what_was_lost_meanwhile_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Moody(None, *[ServiceError("no space is left")] * 2)

    async def scene(records: RecordQueue) -> None:
        await records.flush()
        now = asyncio.get_running_loop().time()
        records.add_lines(lines(["a", "b"]))
        await settled(records)
        records.add_inputs("fu-1", [an_input(now)])
        await settled(records)
        records.add_lines(lines(["c"]))
        await settled(records)
        assert texts(records) == ["c", "2 lines and 1 ended input could not be kept"]

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

    async def scene(records: RecordQueue) -> None:
        now = asyncio.get_running_loop().time()
        for number in range(50):
            records.add_lines(lines(["x" * 1000]))
            records.add_inputs("fu-1", [an_input(now, number)])
            records.add_successes("fu-1", successes(an_input(now, number)))
            records.add_calls([CallRecord(f"fc-{number}", "fu-1", CallKind.ATTACHED, "", now)])
            records._hand_over()
        assert records._waiting_bytes < 12_000
        for _ in range(3):
            with pytest.raises(ServiceError, match="could not be put into the records within"):
                await records.flush()
        assert records._queue.qsize() < 20
        monkeypatch.setattr(queue_module, "FLUSH_TIMEOUT", 20)  # the disk answers, on a busy machine, too
        hangs.set()
        await settled(records)
        assert (records._waiting_bytes, records._waiting_lines) == (0, 0)
        (told,) = [text for text in texts(records) if "came faster" in text]
        kept = texts(records).count("x" * 1000)
        assert f"{50 - kept} lines and " in told
        assert 0 < kept < 20

    monkeypatch.setattr(queue_module, "MAX_WAITING_BYTES", 10_000)
    monkeypatch.setattr(queue_module, "FLUSH_TIMEOUT", 0.01)
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

    async def scene(records: RecordQueue) -> None:
        await records.flush()

    monkeypatch.setattr(queue_module, "CLOSE_TIMEOUT", 0.01)
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

    async def scene(records: RecordQueue) -> None:
        records.add_lines(lines(["a"]))
        await records.flush()
        assert records.store is None
        await records.close()
        await records.flush()

    play(scene, broken)


def test_who_follows_and_fails_keeps_nobody_else_from_being_told() -> None:
    async def scene(records: RecordQueue) -> None:
        await records.flush()
        told: list[RecordBatch] = []
        records.subscribe(lambda batch: told[1].apps.clear())
        records.subscribe(told.append)
        records.add_lines(lines(["a"]))
        await settled(records)
        assert len(told) == 1

    play(scene)


def test_what_is_too_old_goes_while_the_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Moody()
    tidied: list[int] = []

    async def main() -> None:
        records = RecordQueue(*loop_and_clock(), lambda: opened(store), 3600.0, lambda: tidied.append(1))
        records.open()
        records.add_lines(lines(["old"], at=time.time() - 7200.0))
        records.add_lines(lines(["new"]))
        await settled(records)
        records.add_lines(lines(["newer"]))
        await settled(records)
        assert tidied != []
        assert "new" in texts(records)
        await records.close()

    monkeypatch.setattr(keeper, "FORGET_INTERVAL", 0.0)
    asyncio.run(main())
