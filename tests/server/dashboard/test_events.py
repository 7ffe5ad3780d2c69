"""Live updates of a page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from motet.errors import ServiceError
from motet.records.batch import RecordBatch
from motet.records.logs import LogBatch
from motet.server.dashboard.api import Api
from motet.server.dashboard.events import MAX_WATCHERS, Watchers
from motet.server.dashboard.filters import Filters
from tests.server.virtual_loop import run_virtually

from . import made_server as made
from .made_server import MadeServer, line


class Page:
    """A page that is open, and what it is told."""

    def __init__(self, server: MadeServer, **filters: str) -> None:
        self.server = server
        self.watchers = Watchers(Api(server, lambda: made.NOW))
        self.stream: AsyncIterator[bytes] = self.watchers.watch(Filters(filters.items(), made.NOW)).events()

    async def next(self) -> tuple[str, Any]:
        """The next event that is one."""
        async with asyncio.timeout(60):
            while not (chunk := (await anext(self.stream)).decode()).startswith("event:"):
                pass
        name, _, data = chunk.strip().splitlines()
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def batch_of(text: str, call_id: str = made.CALL) -> RecordBatch:
    return RecordBatch(logs=[LogBatch(made.NOW, made.FETCH, made.READY, call_id, 1, "stdout", [text])])


def test_page_gets_the_last_lines_and_then_new_ones() -> None:
    async def scene() -> None:
        server = MadeServer(inputs=3)
        page = Page(server, topics="logs", call=made.CALL, limit="2")
        _, first = await page.next()
        assert [each["text"] for each in first["lines"]] == ["fetched number 2", made.HOSTILE]
        server.keep(batch_of("more"), [line(100, made.NOW, "more", index=1)])
        assert [each["text"] for each in (await page.next())[1]["lines"]] == ["more"]

    run_virtually(scene())


def test_page_gets_lines_that_match_its_filters_alone() -> None:
    async def scene() -> None:
        server = MadeServer(inputs=3)
        page = Page(server, topics="logs", call=made.CALL, search="price", after="5")
        server.keep(
            batch_of("another call's price", "fc-other"), [line(6, made.NOW, "price", index=1, call_id="fc-other")]
        )
        server.keep(batch_of("nothing"), [line(7, made.NOW, "nothing", index=1)])
        server.keep(batch_of("the price"), [line(8, made.NOW, "the price", index=1)])
        assert [each["position"] for each in (await page.next())[1]["lines"]] == [8]

    run_virtually(scene())


def test_page_is_told_when_lines_came_too_fast_for_it() -> None:
    async def scene() -> None:
        server = MadeServer(inputs=0)
        page = Page(server, topics="logs", after="10")
        server.keep(batch_of("many"), [line(11 + number, made.NOW, "many", index=1) for number in range(900)])
        _, came = await page.next()
        assert (len(came["lines"]), came["left_out"], came["lines"][-1]["position"]) == (500, True, 910)

    run_virtually(scene())


def test_page_gets_views_when_they_change() -> None:
    async def scene() -> None:
        server = MadeServer()
        page = Page(server, topics="views,changes")
        name, views = await page.next()
        assert (name, views["apps"][0]["functions"][0]["waiting_inputs"]) == ("views", 120)
        server.waiting = 7
        name, views = await page.next()
        assert (name, views["apps"][0]["functions"][0]["waiting_inputs"]) == ("views", 7)

    run_virtually(scene())


def test_page_is_told_what_changed() -> None:
    async def scene() -> None:
        server = MadeServer()
        page = Page(server, topics="changes")
        waiting = asyncio.create_task(page.next())
        await asyncio.sleep(0)
        server.keep(RecordBatch(calls=server.kept.all_calls[:1], facts=[*server.kept.all_samples[:1]]))
        assert await waiting == ("changes", {"changed": ["calls", "samples"]})

    run_virtually(scene())


def test_stream_ends_with_the_server_and_leaves_nothing() -> None:
    async def scene() -> None:
        server = MadeServer()
        page = Page(server, topics="views")
        await page.next()
        assert server.watchers == 1
        page.watchers.close()
        async with asyncio.timeout(60):
            assert [chunk async for chunk in page.stream if chunk.startswith(b"event")] == []
        assert server.watchers == 0

    run_virtually(scene())


def test_pages_beyond_a_number_are_refused() -> None:
    async def scene() -> None:
        watchers = Watchers(Api(MadeServer()))
        streams = [watchers.watch(Filters([], made.NOW)).events() for _ in range(MAX_WATCHERS)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(ServiceError, match="100 pages are open"):
            watchers.watch(Filters([], made.NOW))
        await streams[0].aclose()  # type: ignore[attr-defined]
        watchers.watch(Filters([], made.NOW))
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]

    run_virtually(scene())
