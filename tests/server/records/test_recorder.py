"""What observers are told becomes records."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from motet.core.commands import Command, KillContainer, RecordArguments, ReportDecision, StartContainer
from motet.records.arguments import ArgumentsRecord
from motet.records.facts import DecisionRecord, SampleRecord, StallRecord
from motet.records.pools import FunctionRecord
from motet.records.queries import LogQuery
from motet.server import facts
from motet.server.clock import Clock
from motet.server.records.queue import RecordQueue
from motet.server.records.recorder import Recorder
from motet.store.blob_reference import IN_JOURNAL, MARKER, BlobName, StoredPayload, digest_of, large_arguments
from motet.store.records import RecordReader
from motet.store.sqlite_records import SqliteRecords
from motet.wire.client_messages import OutputLines
from tests.contracts.record_store_contract import definition


class Stage:
    """A recorder with its store, told what a driver would tell."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = Clock.of_loop(loop)
        self.queue = RecordQueue(
            loop, self.clock, lambda: contextlib.closing(SqliteRecords(":memory:")), 3600.0, keep_arguments=10
        )
        self.recorder = Recorder(self.queue, self.clock)
        self.queue.open()
        self.recorder.told(facts.AppStarted("ap-1", "app"))
        self.recorder.told(facts.FunctionDeclared(FunctionRecord("fu-1", "ap-1", "f", 1, 1), "app", True, definition()))

    def turn(self, *commands: Command) -> None:
        self.recorder.turned((), commands, self.clock.now())

    async def kept(self) -> RecordReader:
        await self.queue.flush()
        assert self.queue.store is not None
        return self.queue.store


def play(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        stage = Stage()
        try:
            await scene(stage)
        finally:
            await stage.queue.close()

    asyncio.run(main())


def test_an_app_is_kept_with_its_functions_and_its_end() -> None:
    async def scene(on: Stage) -> None:
        (app,) = (await on.kept()).apps()
        assert (app.name, app.ended_at) == ("app", None)
        on.recorder.told(facts.AppEnded("ap-1"))
        store = await on.kept()
        (app,) = store.apps()
        assert app.ended_at == pytest.approx(app.started_at, abs=5.0)
        assert [it.name for it in store.functions()] == ["f"]

    play(scene)


def test_a_container_is_kept_as_it_is_by_then() -> None:
    async def scene(on: Stage) -> None:
        on.turn(StartContainer("ta-1", "fu-1", "one waits", waited=0.5, isolation="oci"))
        on.recorder.told(facts.ContainerConnected("ta-1"))
        record = (await on.kept()).container("ta-1")
        assert record is not None
        assert (record.reason, record.ready_at) == ("one waits", None)
        assert record.started_at - record.wanted_at == pytest.approx(0.5)
        on.recorder.told(facts.ContainerEntered("ta-1", 0.0))
        on.turn(KillContainer("ta-1", "idle"))
        on.recorder.told(facts.ContainerGone("ta-1", "exited with status 0"))
        record = (await on.kept()).container("ta-1")
        assert record is not None
        assert record.loaded_at == record.ready_at is not None
        assert (record.end, record.isolation) == ("idle; exited with status 0", "oci")
        assert on.recorder.containers == {}

    play(scene)


def test_a_container_that_came_back_is_kept_with_its_level() -> None:
    async def scene(on: Stage) -> None:
        on.recorder.told(facts.ContainerCameBack("ta-1", "fu-1", "bubblewrap"))
        on.recorder.told(facts.ContainerGone("ta-1", "exited with status 0"))
        record = (await on.kept()).container("ta-1")
        assert record is not None
        assert record.isolation == "bubblewrap"
        assert record.ended_at is not None

    play(scene)


def test_of_a_container_that_nobody_started_nothing_is_kept() -> None:
    async def scene(on: Stage) -> None:
        on.recorder.told(facts.ContainerConnected("ta-9"))
        on.turn(KillContainer("ta-9", "idle"))
        assert (await on.kept()).containers() == []

    play(scene)


def test_decisions_are_kept_with_their_reason() -> None:
    async def scene(on: Stage) -> None:
        on.turn(ReportDecision("fu-1", 3, 1, 1, 7, 2, "7 inputs want 3"))
        (kept,) = (await on.kept()).facts(DecisionRecord, ["fu-1"])
        assert (kept.desired, kept.waiting_inputs, kept.reason) == (3, 7, "7 inputs want 3")
        assert kept.at == pytest.approx(on.clock.wall_now(), abs=5.0)

    play(scene)


def test_facts_that_are_records_are_kept_as_they_are() -> None:
    async def scene(on: Stage) -> None:
        stall = StallRecord("ta-1", "fc-1", 0, 1.0, 2.0, "kept the GIL")
        sample = SampleRecord(1.5, "fu-1", 1, 2, 3, 4, 5, 6, 7, 8)
        on.recorder.told(stall)
        on.recorder.told(sample)
        store = await on.kept()
        assert store.facts(StallRecord, ["ta-1"]) == [stall]
        assert store.facts(SampleRecord, ["fu-1"]) == [sample]

    play(scene)


def test_lines_are_kept_but_not_those_that_are_still_being_written() -> None:
    async def scene(on: Stage) -> None:
        for part, text in (("", "whole"), ("begun", "half"), ("wiped", "50 %")):
            on.recorder.wrote("fu-1", OutputLines("ap-1", "f", "ta-1", "stdout", [text], "fc-1", 0, 5.0, part))  # type: ignore[arg-type]
        assert [line.text for line in (await on.kept()).logs(LogQuery())] == ["whole", "50 %"]

    play(scene)


def test_arguments_are_kept_with_where_their_function_is_unless_they_are_too_large() -> None:
    async def scene(on: Stage) -> None:
        now = on.clock.now()
        small, large = (ArgumentsRecord(f"fc-{n}", 0, "fu-1", now, b"x" * n) for n in (10, 11))
        on.turn(RecordArguments([small, large]))
        store = await on.kept()
        found = store.arguments("in-10-0")
        assert found is not None
        assert (found.payload, found.ended_at) == (b"x" * 10, pytest.approx(on.clock.wall(now)))
        assert store.arguments("in-11-0") is None
        assert store.definition("fu-1") == definition()

    play(scene)


def test_of_arguments_that_are_blobs_the_reference_is_kept_and_none_that_a_client_made_up() -> None:
    async def scene(on: Stage) -> None:
        stored = StoredPayload.of(BlobName("home", "fc-1", 1, 1, "a", 0, digest_of(b"")), 1_000_000)
        records = [
            ArgumentsRecord(f"fc-{number}", 0, "fu-1", on.clock.now(), payload)
            for number, payload in enumerate([IN_JOURNAL, stored, MARKER])
        ]
        on.turn(RecordArguments(records))
        store = await on.kept()
        assert [store.arguments(f"in-{number}-0") is not None for number in range(3)] == [False, True, False]
        found = store.arguments("in-1-0")
        assert found is not None
        assert large_arguments(found) == stored
        for other in (replace(found, index=1), replace(found, call_id="fc-2"), replace(found, payload=b"small")):
            assert large_arguments(other) is None

    play(scene)
