"""What calls, functions and apps wrote, found again from Python."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from motet.client.connection import Connection
from motet.client.dual import HandOut, ItemSteps, Steps, dual, dual_items
from motet.errors import InvalidError
from motet.model.ids import input_id, split_input_id
from motet.records.logs import LogLine
from motet.records.queries import MAX_FOUND, LogQuery
from motet.sdk.options.checks import type_name
from motet.wire.operator_messages import FindLogs, LogsFound

Source = Literal["stdout", "stderr", "system"]
_SOURCES = ("stdout", "stderr", "system")
_PAGE = 1000


class LogEntry(msgspec.Struct, frozen=True):
    """One line: its text, when it was written (UTC), and by whom.

    `input_id` and `function_call_id` are None for what no one input can have written: code that runs at import or in hooks,
    background threads, and what came past Python while several inputs ran.
    """

    message: str
    timestamp: datetime.datetime
    source: Source
    function_name: str
    container_id: str
    function_call_id: str | None
    input_id: str | None


class Logs:
    """Lines of an app, a function, a call or an input; also of earlier ones, as long as they are kept.

    Raises `NotFoundError` where the server keeps no records.
    """

    def __init__(self, connect: Callable[[], Steps[Connection]], **scope: str) -> None:
        self._connect = connect
        self._scope = scope

    def input(self, id_or_index: str | int) -> Logs:
        """Only the lines of one input, by its id (`in-...`) or, of a call, by its place in it."""
        call_id = self._scope.get("call_id")
        if isinstance(id_or_index, int):
            if call_id is None or id_or_index < 0:
                raise InvalidError(
                    f"input {id_or_index} of what? Ask a call's logs by index, or give the id of an input."
                )
            found = input_id(call_id, id_or_index)
        else:
            try:
                found = input_id(*split_input_id(id_or_index))
            except ValueError as error:
                raise InvalidError(str(error)) from None
        return Logs(self._connect, **{**self._scope, "input_id": found})

    @dual
    def fetch(
        self,
        *,
        search: str | None = None,
        source: Source | None = None,
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        limit: int = _PAGE,
    ) -> Steps[list[LogEntry]]:
        """The newest `limit` lines (20,000 at most), the oldest of them first.

        `search`: words that follow each other in a line; the last may be the beginning of one.
        """
        query = LogQuery(
            **self._scope,  # type: ignore[arg-type]
            search=search,
            sources=_sources(source),
            since=_moment("since", since),
            until=_moment("until", until),
            limit=limit,
        )
        connection = yield from self._connect()
        found = yield from connection.request(FindLogs(query))
        return [_entry(line) for line in found.lines]

    @dual_items
    def stream(self, *, source: Source | None = None) -> ItemSteps[LogEntry]:
        """`for entry in logs.stream(source=None):` all lines from the first, and those to come, until what writes them has
        ended: a call when all of its inputs have."""
        after = -1
        while True:
            found = yield from self._next(source, after)
            yield HandOut(map(_entry, found.lines))
            if found.over and len(found.lines) < _PAGE:
                return
            if found.lines:
                after = found.lines[-1].position

    def _next(self, source: Source | None, after: int) -> Steps[LogsFound]:
        query = LogQuery(
            **self._scope,  # type: ignore[arg-type]
            sources=_sources(source),
            after=after,
            newest=False,
            limit=_PAGE,
        )
        connection = yield from self._connect()
        return (yield from connection.request(FindLogs(query, wait=True)))  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[LogEntry]:
        return iter(self.fetch(limit=MAX_FOUND))


def _moment(name: str, value: datetime.datetime | None) -> float | None:
    if value is not None and not isinstance(value, datetime.datetime):
        raise InvalidError(f"`{name}` must be a datetime, not {type_name(value)}")
    return None if value is None else value.timestamp()


def _sources(source: Source | None) -> tuple[Source, ...]:
    if source is None:
        return ()
    if source not in _SOURCES:
        raise InvalidError(f"source must be 'stdout', 'stderr' or 'system', got {source!r}")
    return (source,)


def _entry(line: LogLine) -> LogEntry:
    return LogEntry(
        line.text,
        datetime.datetime.fromtimestamp(line.at, datetime.UTC),
        line.source,
        line.function_name,
        line.container_id,
        line.call_id or None,
        input_id(line.call_id, line.index) if line.call_id else None,
    )
