"""Whoever asks is answered, whatever goes wrong while the answer is found or sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from motet.errors import InternalError, NotFoundError
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.server.clients.refusals import answer
from motet.server.config import ServerConfig
from motet.server.records.config import RecordsConfig
from motet.server.server import Server
from motet.store.memory import MemoryCallStore
from motet.store.sqlite_records import SqliteRecords
from motet.testing.backends import FakeBackend
from motet.wire import operator_messages as m
from motet.wire.client_messages import Done, ReplyBody, RequestFailed
from tests.server.stage import Client, refusal


class Unreadable(SqliteRecords):
    """Records of which nothing can be read, because of a bug."""

    def _fail(self, *arguments: Any, **options: Any) -> Any:
        raise ZeroDivisionError("a bug")

    apps = functions = containers = calls = call = input = inputs = logs = _fail


@pytest.mark.parametrize(
    "body",
    [
        m.FindCalls(CallQuery()),
        m.FindCall("fc-1"),
        m.FindInputs(InputQuery()),
        m.FindApps(),
        m.FindFunctions(None),
        m.FindContainers(None),
        m.FindCallGraph("fc-1"),
        m.FindInput("in-1-0"),
        m.FindLogs(LogQuery()),
    ],
)
def test_an_exception_in_a_later_answer_is_told_and_logged(
    tmp_path: Path, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @contextlib.contextmanager
    def records(_: object) -> Iterator[SqliteRecords]:
        store = Unreadable(tmp_path / "records.db")
        yield store
        store.close()

    async def scene() -> BaseException:
        config = ServerConfig(records=RecordsConfig(home=tmp_path))
        server = Server(config, FakeBackend(), MemoryCallStore(), records)
        await server.start()
        try:
            return refusal(await Client(server).answer(body))
        finally:
            await server.stop()

    with caplog.at_level(logging.ERROR, "motet.server"):
        problem = asyncio.run(scene())
    assert type(problem) is InternalError
    assert str(problem).startswith("ZeroDivisionError: a bug. This is a bug in Motet")
    assert [(each.getMessage(), bool(each.exc_info)) for each in caplog.records] == [
        (f"a request failed: {type(body).__name__}", True)
    ]


def test_an_answer_that_cannot_be_sent_is_told_instead() -> None:
    sent: list[ReplyBody] = []

    def reply(body: ReplyBody) -> None:
        if isinstance(body, Done):
            raise OverflowError("too large")
        sent.append(body)

    answer(reply, m.ViewServer(), Done())
    (body,) = sent
    assert "OverflowError: too large" in str(refusal(body))
    answer(reply, m.ViewServer(), RequestFailed(b""))
    assert sent[1:] == [RequestFailed(b"")]


def test_our_own_errors_are_the_answer_and_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> BaseException:
        server = Server(ServerConfig(), FakeBackend(), MemoryCallStore())
        await server.start()
        try:
            return refusal(await Client(server).answer(m.FindCalls(CallQuery())))
        finally:
            await server.stop()

    assert type(asyncio.run(scene())) is NotFoundError
    assert caplog.records == []
