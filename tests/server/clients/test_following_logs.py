"""Following the lines of what runs: what it costs the server, and that none is missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from motet.model.outcome import CallKind, NewInput
from motet.model.scaling import AutoscalerSettings, Concurrency
from motet.model.server_identity import ServerIdentity
from motet.records.batch import RecordBatch
from motet.records.logs import LogLine
from motet.records.queries import LogQuery
from motet.server.config import ServerConfig
from motet.server.records.config import RecordsConfig
from motet.server.records.queue import RecordQueue
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.store.records import RecordStore
from motet.store.sqlite_records import SqliteRecords
from motet.testing.backends import FakeBackend
from motet.wire import client_messages as m
from motet.wire.operator_messages import FindLogs, ViewInputs
from motet.wire.output_messages import Output, Written
from tests.server.stage import Client, Container, Stage, function


class Counting(SqliteRecords):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.kept = 0
        self.looks = 0

    def add(self, batch: RecordBatch) -> None:
        self.kept += 1
        super().add(batch)

    def logs(self, query: LogQuery) -> list[LogLine]:
        self.looks += 1
        return super().logs(query)


Scene = Callable[[Stage, Client, Counting], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    async def main() -> None:
        stores: list[Counting] = []

        @contextlib.contextmanager
        def open_records(identity: ServerIdentity) -> Iterator[RecordStore]:
            stores.append(Counting())
            yield stores[0]
            stores[0].close()

        backend = FakeBackend()
        config = ServerConfig(stop_grace=0.2, records=RecordsConfig(home=Path("unused")))
        server = Server(config, backend, MemoryCallStore(), open_records)
        await server.start()
        on = Stage(server, backend)
        try:
            await on.wait(lambda: stores and server._records.store is not None)
            await scene(on, on.client(), stores[0])
        finally:
            await on.close()
            await server.stop()

    asyncio.run(main())


async def large_call(on: Stage, client: Client) -> tuple[Container, list[Any]]:
    """One with many inputs, of which a hundred run."""
    (function_id,) = await client.create(
        function(
            concurrency=Concurrency(max_inputs=100, target_inputs=100), autoscaler=AutoscalerSettings(max_containers=1)
        )
    )
    for first in range(0, 5_000, 1_000):
        new = [NewInput(index, b"x") for index in range(first, first + 1_000)]
        assert await client.answer(m.SubmitInputs("fc-1", function_id, CallKind.SPAWNED, "", new)) == m.Done()
    container = await on.container()
    return container, await container.deliveries()


def write(container: Container, index: int, line: str, call_id: str = "fc-1") -> None:
    container.executor.say(Output([Written(1.0, call_id, index, "stdout", [line])]))


def test_a_follower_looks_when_lines_were_kept_that_may_be_meant_and_lists_no_inputs() -> None:
    async def scene(on: Stage, client: Client, store: Counting) -> None:
        container, attempts = await large_call(on, client)
        follower = on.client()
        follower.ask(FindLogs(LogQuery(call_id="fc-1", after=-1, newest=False), wait=True))
        await on.wait(lambda: store.looks == 1)
        records = on.server._records
        assert isinstance(records, RecordQueue)
        for attempt in attempts[:20]:
            container.finish([attempt])
            write(container, attempt.index, "of another call", "fc-2")
            before = store.kept
            await on.wait(lambda: records._timer is not None)
            await records.flush()
            await on.wait(lambda before=before: store.kept > before)
        assert store.looks == 1
        write(container, attempts[30].index, "mine")
        found = (await follower.wait(m.Reply)).body
        assert [line.text for line in found.lines] == ["mine"]
        assert not found.over
        assert store.looks == 2

    play(scene)


def test_a_follower_gets_the_last_lines_and_is_told_that_these_were_all() -> None:
    async def scene(on: Stage, client: Client, store: Counting) -> None:
        container, attempts = await large_call(on, client)
        follower = on.client()
        follower.ask(FindLogs(LogQuery(call_id="fc-1", after=-1, newest=False), wait=True))
        write(container, attempts[0].index, "last words")
        client.say(m.CancelCall("fc-1"))
        found = (await follower.wait(m.Reply)).body
        lines = list(found.lines)
        while not found.over:
            found = await follower.answer(FindLogs(LogQuery(call_id="fc-1", after=lines[-1].position), wait=True))
            lines += found.lines
        assert [line.text for line in lines] == ["last words"]

    play(scene)


def test_following_one_input_ends_with_it_though_its_call_goes_on() -> None:
    async def scene(on: Stage, client: Client, store: Counting) -> None:
        container, attempts = await large_call(on, client)
        chosen = attempts[7]
        follower = on.client()
        follower.ask(FindLogs(LogQuery(input_id=f"in-1-{chosen.index}", after=-1), wait=True))
        await on.wait(lambda: store.looks == 1)
        container.finish([chosen])
        assert (await follower.wait(m.Reply)).body.over

    play(scene)


def test_all_inputs_that_have_not_ended_are_listed_without_stopping_the_loop() -> None:
    async def scene(on: Stage, client: Client, store: Counting) -> None:
        await large_call(on, client)
        on.client().ask(ViewInputs("fc-1", None, 20_000))
        operator = on.client()
        views = (await operator.answer(ViewInputs("fc-1", None, 20_000))).views
        assert len({view.input_id for view in views}) == 5_000
        assert [view.state for view in views] == ["running"] * 100 + ["waiting"] * 4_900

    play(scene)
