"""The records of all servers under `MOTET_HOME` as one: those that run now, and those that ran before."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import msgspec

from motet.errors import ServiceError
from motet.model.ids import split_input_id
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.calls import CallSummary
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import MAX_FOUND, CallQuery, InputQuery, LogQuery
from motet.store.home import RECORDS, foreign_directories, is_live, last_written_at, live_servers, server_directories
from motet.store.sqlite_facts import TABLES, F
from motet.store.sqlite_records import SqliteRecords

LOOK_AGAIN = 0.2
"""Seconds between two looks for new lines: SQLite tells nobody in another process that something was written."""

_MAX_OPEN = 32
_CLOCK_SLACK = 2.0

T = TypeVar("T")


class Archive:
    """See `RecordArchive` for what each method promises. Ids do not tell which server they are of, so each is asked, the one
    that wrote last first, until there is enough.

    A server whose records cannot be read is left out, and `skipped` tells why, by directory. `wait` sleeps for so many
    seconds.
    """

    def __init__(self, home: Path, wait: Callable[[float], object] = time.sleep) -> None:
        self.skipped: dict[Path, str] = {}
        self._home = home
        self._wait = wait
        self._open: OrderedDict[Path, SqliteRecords] = OrderedDict()
        self._lock = threading.RLock()

    # --- finding ----------------------------------------------------------------------------------------------------

    def apps(self) -> list[AppRecord]:
        found: dict[str, AppRecord] = {}
        for app in sorted(self._all(lambda store: store.apps()), key=_started_at):
            # A server that took over from another goes on with its apps: they are the ones that they were.
            began = found.pop(app.app_id, app).started_at
            found[app.app_id] = msgspec.structs.replace(app, started_at=began)
        return sorted(found.values(), key=_started_at, reverse=True)

    def functions(self, app: str | None = None) -> list[FunctionRecord]:
        found = {it.function_id: it for it in self._all(lambda store: store.functions(app))}
        return sorted(found.values(), key=attrgetter("function_id"))

    def calls(self, query: CallQuery) -> list[CallSummary]:
        def ask(store: SqliteRecords) -> list[CallSummary]:
            return store.calls(query)[::-1]

        return self._latest(ask, attrgetter("call.submitted_at"), query.limit, query.since)[::-1]

    def call(self, call_id: str) -> CallSummary | None:
        return self._first(lambda store: store.call(call_id))

    def inputs(self, query: InputQuery) -> list[InputRecord]:
        def ask(store: SqliteRecords) -> list[InputRecord]:
            return store.inputs(query)

        if query.call_id is not None:
            return self._first(ask) or []
        return self._latest(lambda store: ask(store)[::-1], attrgetter("ended_at"), query.limit, query.since)[::-1]

    def input(self, input_id: str) -> InputRecord | None:
        return self._first(lambda store: store.input(input_id))

    def arguments(self, input_id: str) -> ArgumentsRecord | None:
        return self._first(lambda store: store.arguments(input_id))

    def definition(self, function_id: str) -> DefinitionRecord | None:
        return self._first(lambda store: store.definition(function_id))

    def containers(
        self, function: str | None = None, *, ids: Sequence[str] | None = None, running: bool = False
    ) -> list[ContainerRecord]:
        found = self._all(lambda store: store.containers(function, ids=ids, running=running))
        return sorted(found, key=_started_at, reverse=True)

    def container(self, container_id: str) -> ContainerRecord | None:
        return self._first(lambda store: store.container(container_id))

    def facts(
        self,
        kind: type[F],
        about: Sequence[str],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[F]:
        def ask(store: SqliteRecords) -> list[F]:
            return store.facts(kind, about, since=since, until=until, limit=limit)

        if len(about) == 1:  # those about one container or function are all on its server
            return self._first(ask) or []
        return sorted(self._all(ask), key=attrgetter(TABLES[kind].first))[-limit if limit else 0 :]

    def logs(self, query: LogQuery) -> list[LogLine]:
        if query.newest:
            return self._latest(lambda store: store.logs(query), _at, query.limit, query.since)
        return sorted(self._all(lambda store: store.logs(query)), key=_at)[: query.limit]

    def follow(self, query: LogQuery) -> Iterator[LogLine]:
        """See `RecordArchive`; a line is there at most `LOOK_AGAIN` seconds after it was kept."""
        follower = _Follower(query, self._skip)
        try:
            live = live_servers(self._home)
            ended = [directory for directory in self._directories() if directory not in live]
            follower.take_up(live)
            past = self._latest(lambda store: store.logs(query), _at, query.limit, query.since, ended)
            yield from sorted([*past, *follower.newest()], key=_at)[-query.limit :]
            yield from self._follow(follower, set(ended), query)
        finally:
            follower.close()

    def _follow(self, follower: _Follower, ended: set[Path], query: LogQuery) -> Iterator[LogLine]:
        quiet = 0
        while True:
            directories = [directory for directory in server_directories(self._home) if directory not in ended]
            # Looked at before the lines: what a server wrote before it ended is still to be read.
            over = {directory for directory in directories if not is_live(directory)}
            going = [it for it in directories if it not in over and self._may_write(it, query)]
            follower.take_up(directories)
            yield from sorted(follower.news(), key=_at)
            follower.leave(over)
            ended |= over
            # Twice: what was written last may be kept after it is known that an app has ended.
            quiet = 0 if going else quiet + 1
            if quiet == 2 or len(over) == len(directories):
                return
            self._wait(LOOK_AGAIN)

    def _may_write(self, directory: Path, query: LogQuery) -> bool:
        """Whether a server that runs may still have lines that are asked for. Nobody knows what it runs next, so without an
        app, function, call, input or container it may."""
        if (query.app, query.function, query.call_id, query.input_id, query.container_id) == (None,) * 5:
            return True
        return bool(self._ask(directory, lambda store: _goes_on(store, query)))

    def close(self) -> None:
        """Idempotent; what is asked later opens the records again."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    # --- asking servers ---------------------------------------------------------------------------------------------

    def _all(self, ask: Callable[[SqliteRecords], list[T]]) -> list[T]:
        return [found for directory in self._directories() for found in self._ask(directory, ask) or ()]

    def _first(self, ask: Callable[[SqliteRecords], T | None]) -> T | None:
        """What the first server answers that knows."""
        answers = (self._ask(directory, ask) for directory in self._directories())
        return next((answer for answer in answers if answer), None)

    def _latest(
        self,
        ask: Callable[[SqliteRecords], list[T]],
        moment: Callable[[T], float],
        limit: int,
        since: float | None,
        directories: Sequence[Path] | None = None,
    ) -> list[T]:
        """The latest of what all servers answer, in order. One that wrote nothing since is not asked."""
        found: list[T] = []
        oldest = since or 0.0
        for directory in self._directories() if directories is None else directories:
            if last_written_at(directory) < oldest - _CLOCK_SLACK:
                break
            found = sorted([*found, *(self._ask(directory, ask) or ())], key=moment)[-limit:]
            if len(found) == limit:
                oldest = max(oldest, moment(found[0]))
        return found

    def _directories(self) -> list[Path]:
        for directory in foreign_directories(self._home):
            self.skipped[directory] = (
                f"{directory} belongs to another user, or others can write to it: it is not believed"
            )
        return sorted(server_directories(self._home), key=last_written_at, reverse=True)

    def _ask(self, directory: Path, ask: Callable[[SqliteRecords], T]) -> T | None:
        with self._lock:
            try:
                answer = ask(self._store(directory))
            except ServiceError as error:
                self._forget(directory)
                self._skip(directory, error)
                return None
        self.skipped.pop(directory, None)
        return answer

    def _store(self, directory: Path) -> SqliteRecords:
        store = self._open.get(directory)
        if store is None:
            store = self._open[directory] = SqliteRecords(directory / RECORDS, read_only=True)
        self._open.move_to_end(directory)
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        return store

    def _forget(self, directory: Path) -> None:
        if store := self._open.pop(directory, None):
            store.close()

    def _skip(self, directory: Path, error: ServiceError) -> None:
        # One that has gone meanwhile, or has kept nothing yet, is nothing to worry about.
        with contextlib.suppress(OSError):
            if (directory / RECORDS).stat().st_size:
                self.skipped[directory] = str(error)


class _Follower:
    """How far the lines of each server have been read."""

    def __init__(self, query: LogQuery, skip: Callable[[Path, ServiceError], None]) -> None:
        self._query = query
        self._skip = skip
        self._stores: dict[Path, SqliteRecords] = {}
        self._versions: dict[Path, int] = {}
        self._positions: dict[Path, int] = {}

    def take_up(self, directories: Iterable[Path]) -> None:
        """Follow these servers, too."""
        for directory in directories:
            if directory not in self._stores and (directory / RECORDS).exists():
                try:
                    self._stores[directory] = SqliteRecords(directory / RECORDS, read_only=True)
                except ServiceError as error:
                    self._skip(directory, error)

    def newest(self) -> list[LogLine]:
        """The newest lines that are there."""
        return [line for directory in list(self._stores) for line in self._read(directory, self._query)]

    def news(self) -> list[LogLine]:
        """The lines that have come since, in order for each server."""
        found: list[LogLine] = []
        for directory in list(self._stores):
            page = self._page(directory)
            while page:
                found += page
                page = self._page(directory)
        return found

    def leave(self, directories: Iterable[Path]) -> None:
        for directory in directories:
            if store := self._stores.pop(directory, None):
                store.close()

    def close(self) -> None:
        self.leave(list(self._stores))

    def _page(self, directory: Path) -> list[LogLine]:
        query = msgspec.structs.replace(self._query, newest=False, limit=MAX_FOUND)
        if directory in self._positions:
            query = msgspec.structs.replace(query, after=self._positions[directory])
        return self._read(directory, query)

    def _read(self, directory: Path, query: LogQuery) -> list[LogLine]:
        store = self._stores.get(directory)
        if store is None:
            return []
        try:
            version = store.version()
            if self._versions.get(directory) == version:
                return []
            found = store.logs(query)
        except ServiceError as error:
            self._stores.pop(directory).close()
            self._skip(directory, error)
            return []
        if len(found) < query.limit:
            self._versions[directory] = version
        if found:
            self._positions[directory] = found[-1].position
        return found


_at = attrgetter("at")
_started_at = attrgetter("started_at")


def _goes_on(store: SqliteRecords, query: LogQuery) -> bool:
    """Whether what a query is about has not ended, as far as the records tell: an app, and with it what it has, or a
    container."""
    call_id = query.call_id or (split_input_id(query.input_id)[0] if query.input_id else None)
    if call_id is not None and store.call(call_id) is None:
        return False
    if query.container_id is not None:
        container = store.container(query.container_id)
        if container is None or container.ended_at is not None:
            return False
    apps = {app.app_id for app in store.apps() if app.ended_at is None and query.app in (None, app.app_id, app.name)}
    functions = [each for each in store.functions() if each.app_id in apps]
    return any(query.function in (None, each.function_id, each.name) for each in functions)


def count_arguments(home: Path) -> int:
    """Of how many failed inputs arguments are kept, of all servers; those that cannot be read are left out."""
    found = 0
    for directory in server_directories(home):
        with contextlib.suppress(ServiceError), contextlib.closing(_opened(directory, read_only=True)) as store:
            found += store.count_arguments()
    return found


def forget_arguments(home: Path) -> None:
    """Delete them. Raises `ServiceError` if one that has some cannot be written."""
    for directory in server_directories(home):
        if (directory / RECORDS).exists():
            with contextlib.closing(_opened(directory, read_only=False)) as store:
                store.forget_arguments()


def erase_calls(home: Path, call_ids: Sequence[str]) -> int:
    """Have nothing left of calls in the records of servers that do not run any more; of how many there was something. Raises
    `ServiceError` if one that may have something cannot be written."""
    erased = 0
    for directory in server_directories(home):
        if (directory / RECORDS).exists() and not is_live(directory):
            with contextlib.closing(_opened(directory, read_only=False)) as store:
                erased += store.erase_calls(call_ids)
    return erased


def _opened(directory: Path, *, read_only: bool) -> SqliteRecords:
    return SqliteRecords(directory / RECORDS, read_only=read_only)
