"""Live updates: what changes, sent to a page as server-sent events for as long as it is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from motet.errors import Error, ServiceError
from motet.records.batch import RecordBatch
from motet.records.facts import DecisionRecord, FactRecord, SampleRecord
from motet.records.logs import LogBatch
from motet.records.queries import LogQuery
from motet.server.dashboard import shown
from motet.server.dashboard.api import Api, encode
from motet.server.dashboard.filters import Filters, log_query
from motet.server.dashboard.shown import Json

TICK = 0.5
"""Seconds between two looks at the pools, whose inputs come and go without a record."""
LINES_AT_ONCE = 500
"""Lines of one update; of more that came in the meantime, these are the newest."""
MAX_WATCHERS = 100
TOPICS = ("views", "changes", "logs")
CHANGES = ("apps", "functions", "calls", "inputs", "containers")
"""Of a batch, those that pages are told of by these names."""
FACTS: dict[type[FactRecord], str] = {DecisionRecord: "decisions", SampleRecord: "samples"}


class Watchers:
    """All pages that are open."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open: set[Watcher] = set()

    def watch(self, filters: Filters) -> Watcher:
        """One for a page: `topics` says what it wants; all other filters are those of lines. Raises `InvalidError`,
        `ServiceError`."""
        topics = filters.choices("topics", TOPICS) or TOPICS
        query = log_query(filters)
        if len(self._open) >= MAX_WATCHERS:
            raise ServiceError(f"{MAX_WATCHERS} pages are open, and no more can be kept up to date: close some")
        return Watcher(self._api, topics, query, self._open)

    def close(self) -> None:
        """End all streams: the server stops."""
        for watcher in list(self._open):
            watcher.end()


class Watcher:
    """One page's stream of events. It looks at the pools every `TICK` while the page is open, and sends what has changed."""

    def __init__(self, api: Api, topics: tuple[str, ...], query: LogQuery, open_ones: set[Watcher]) -> None:
        self._api = api
        self._open_ones = open_ones
        self._topics = topics
        self._query = query
        self._position = query.after
        self._changed: set[str] = set()
        self._lines_came = True
        self._views = b""
        self._something = asyncio.Event()
        self._ended = False

    async def events(self) -> AsyncIterator[bytes]:
        """The stream, in the form of `text/event-stream`, until `end`."""
        unsubscribe = self._api.operations.subscribe(self._on_batch)
        self._open_ones.add(self)  # here, because a page that is gone at once never gets here
        try:
            yield b"retry: 1000\n\n"
            while not self._ended:
                for name, value in await self._news():
                    yield b"event: %b\nid: %d\ndata: %b\n\n" % (name, self._position or 0, value)
                # A tick with nothing to say still shows the page that the server is there.
                yield b":\n\n"
                await self._tick()
        except Error as error:
            yield b"event: fault\ndata: %b\n\n" % encode({"error": str(error)})
        finally:
            unsubscribe()
            self._open_ones.discard(self)

    def end(self) -> None:
        """Have the stream come to its end."""
        self._ended = True
        self._something.set()

    async def _tick(self) -> None:
        try:
            await asyncio.wait_for(self._something.wait(), TICK)
        except TimeoutError:
            pass
        else:
            self._something.clear()

    def _on_batch(self, batch: RecordBatch) -> None:
        self._changed.update(name for name in CHANGES if getattr(batch, name))
        self._changed.update(FACTS[kind] for kind in set(map(type, batch.facts)) if kind in FACTS)
        if not self._lines_came and any(self._may_match(each) for each in batch.logs):
            self._lines_came = True
            if "logs" in self._topics:
                self._something.set()

    def _may_match(self, batch: LogBatch) -> bool:
        query = self._query
        return (query.call_id is None or batch.call_id == query.call_id) and (
            query.container_id is None or batch.container_id == query.container_id
        )

    async def _news(self) -> list[tuple[bytes, bytes]]:
        news = []
        if "views" in self._topics:
            views = self._pools()
            if views != self._views:
                self._views = views
                news.append((b"views", views))
        if "changes" in self._topics and self._changed:
            changed, self._changed = self._changed, set()
            news.append((b"changes", encode({"changed": sorted(changed)})))
        if "logs" in self._topics and self._lines_came:
            self._lines_came = False
            lines = await self._new_lines()
            if lines["lines"]:
                news.append((b"logs", encode(lines)))
        return news

    def _pools(self) -> bytes:
        apps = self._api.operations.views()
        return encode(
            {
                "apps": [
                    {
                        "app_id": app.app_id,
                        "name": app.name,
                        "functions": [shown.function_view_json(each) for each in app.functions],
                    }
                    for app in apps
                ]
            }
        )

    async def _new_lines(self) -> Json:
        query = self._query
        first = self._position is None
        wanted = LogQuery(
            **{
                name: getattr(query, name)
                for name in query.__struct_fields__
                if name not in ("after", "limit", "newest")
            },
            after=self._position,
            limit=query.limit if first else LINES_AT_ONCE,
        )
        found = await self._api.read(lambda records: records.logs(wanted))
        if found:
            self._position = found[-1].position
        return {
            "lines": [shown.line_json(each) for each in found],
            "left_out": not first and len(found) == LINES_AT_ONCE,
        }
