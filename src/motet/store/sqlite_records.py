"""Records in an SQLite file: what ran on one server, for as long as its directory is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from motet.model.ids import split_input_id
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord, CallSummary
from motet.records.inputs import InputRecord
from motet.records.logs import LogLine
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.sqlite_arguments import (
    ArgumentsWriter,
    count_arguments,
    find_arguments,
    find_definition,
    forget_arguments,
)
from motet.store.sqlite_calls import add_calls, find_call, find_calls, forget_calls
from motet.store.sqlite_erase import erase_calls
from motet.store.sqlite_facts import F, add_facts, find_facts, forget_facts
from motet.store.sqlite_file import SqliteFile
from motet.store.sqlite_inputs import EndedByCall, InputWriter, by_call, find_input, find_inputs, forget_inputs
from motet.store.sqlite_keys import Keys, function_keys, mended
from motet.store.sqlite_logs import LINES_PER_SEGMENT, LogWriter, find_lines
from motet.store.sqlite_records_layout import LAYOUT

R = TypeVar("R")

_FUNCTION = "function_id, app_id, name, max_inputs, target_inputs, variant_of"
_CONTAINER = (
    "container_id, function_id, wanted_at, started_at, reason, connected_at, loaded_at, ready_at, ended_at, ending"
)
_LEVELS_SINCE = 2
"""The format of files that say of containers at which isolation level they were."""


class SqliteRecords:
    """See `RecordStore` for what each method promises.

    `path`: a file, made if it is not there (its directory must be), or ":memory:". `read_only`: for readers in other
    processes; nothing may be added. `lines_per_segment`: log lines that share an index. `arguments_bytes`: of all arguments
    that are kept.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        read_only: bool = False,
        lines_per_segment: int = LINES_PER_SEGMENT,
        arguments_bytes: int = 1 << 28,
    ) -> None:
        self._file = SqliteFile(path, LAYOUT, read_only=read_only)
        self._lines_per_segment = lines_per_segment
        self._arguments_bytes = arguments_bytes
        self._writer: _Writer | None = None

    # --- keeping ----------------------------------------------------------------------------------------------------

    def add(self, batch: RecordBatch) -> None:
        with self._file.writing() as connection:
            writer, self._writer = self._writer or self._new_writer(connection), None
            writer.add(batch)
        # What it remembers is true only if it was kept.
        self._writer = writer

    def forget(self, before: float) -> int:
        with self._file.writing() as connection:
            writer, self._writer = self._new_writer(connection), None
            return writer.forget(before)

    def erase_calls(self, call_ids: Sequence[str]) -> int:
        with self._file.writing() as connection:
            writer, self._writer = self._new_writer(connection), None
            erased = writer.erase_calls(call_ids)
        if erased:
            self._file.truncate_log()
        return erased

    def forget_arguments(self) -> None:
        """Delete all arguments that are kept; also beside the one who adds."""
        with self._file.writing() as connection:
            forget_arguments(connection, float("inf"))

    def count_arguments(self) -> int:
        """Of how many inputs arguments are kept."""
        with self._file.reading() as connection:
            return count_arguments(connection)

    def _new_writer(self, connection: sqlite3.Connection) -> _Writer:
        return _Writer(connection, self._lines_per_segment, self._arguments_bytes)

    def close(self) -> None:
        self._file.close()

    def version(self) -> int:
        """Another number whenever another process has added something."""
        return self._file.version()

    # --- finding ----------------------------------------------------------------------------------------------------

    def apps(self) -> list[AppRecord]:
        with self._file.reading() as connection:
            rows = connection.execute("SELECT * FROM apps ORDER BY started_at DESC, app_id DESC")
            return [AppRecord(*row) for row in rows]

    def functions(self, app: str | None = None) -> list[FunctionRecord]:
        with self._file.reading() as connection:
            keys = function_keys(connection, app, None)
            rows = connection.execute(f"SELECT key, {_FUNCTION} FROM functions WHERE name NOTNULL ORDER BY function_id")
            return [FunctionRecord(*row[1:]) for row in rows if keys is None or row[0] in keys]

    def calls(self, query: CallQuery) -> list[CallSummary]:
        with self._file.reading() as connection:
            return find_calls(connection, query)

    def call(self, call_id: str) -> CallSummary | None:
        with self._file.reading() as connection:
            return find_call(connection, call_id)

    def inputs(self, query: InputQuery) -> list[InputRecord]:
        with self._file.reading() as connection:
            return find_inputs(connection, query)

    def input(self, input_id: str) -> InputRecord | None:
        return self._of_input(input_id, find_input)

    def arguments(self, input_id: str) -> ArgumentsRecord | None:
        return self._of_input(input_id, find_arguments)

    def _of_input(self, input_id: str, find: Callable[[sqlite3.Connection, str, int], R | None]) -> R | None:
        try:
            call_id, index = split_input_id(input_id)
        except ValueError:
            return None
        with self._file.reading() as connection:
            return find(connection, call_id, index)

    def definition(self, function_id: str) -> DefinitionRecord | None:
        with self._file.reading() as connection:
            return find_definition(connection, function_id)

    def containers(
        self, function: str | None = None, *, ids: Sequence[str] | None = None, running: bool = False
    ) -> list[ContainerRecord]:
        clauses, values = ["wanted_at NOTNULL"], list[Any]()
        if function is not None:
            clauses.append("(function_id = ? OR function_id IN (SELECT function_id FROM functions WHERE name = ?))")
            values += [mended(function)] * 2
        if ids is not None:
            clauses.append(f"container_id IN ({', '.join('?' * len(ids))})")
            values += map(mended, ids)
        if running:
            clauses.append("ended_at ISNULL")
        columns = f"{_CONTAINER}, isolation" if self._file.format >= _LEVELS_SINCE else _CONTAINER
        ask = f"SELECT {columns} FROM containers WHERE {' AND '.join(clauses)} ORDER BY started_at DESC, key DESC"
        with self._file.reading() as connection:
            return [ContainerRecord(*row) for row in connection.execute(ask, values)]

    def container(self, container_id: str) -> ContainerRecord | None:
        found = self.containers(ids=[container_id])
        return found[0] if found else None

    def facts(
        self,
        kind: type[F],
        about: Sequence[str],
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[F]:
        with self._file.reading() as connection:
            return find_facts(connection, kind, about, since, until, limit)

    def logs(self, query: LogQuery) -> list[LogLine]:
        with self._file.reading() as connection:
            return find_lines(connection, query)


class _Writer:
    """What the one who adds remembers between batches."""

    def __init__(self, connection: sqlite3.Connection, lines_per_segment: int, arguments_bytes: int) -> None:
        self._connection = connection
        self._functions = Keys(connection, "functions", "function_id")
        self._containers = Keys(connection, "containers", "container_id")
        self._calls = Keys(connection, "calls", "call_id")
        keys = self._functions, self._containers, self._calls
        self._inputs = InputWriter(connection, *keys)
        self._logs = LogWriter(connection, *keys, lines_per_segment)
        self._arguments = ArgumentsWriter(connection, arguments_bytes)

    def add(self, batch: RecordBatch) -> None:
        self._put("INSERT OR REPLACE INTO apps VALUES", 4, map(_fields, batch.apps))
        self._add_functions(batch.functions)
        self._add_containers(batch.containers)
        ended = {function_id: by_call(records) for function_id, records in batch.inputs.items()}
        short = _short_calls(batch, ended)
        calls = [call for call in batch.calls if call.call_id not in short]
        add_calls(self._connection, self._functions, self._calls, calls)
        for chunk in batch.chunks:
            self._inputs.add_chunk(chunk, batch.clock)
        for function_id, ended_of in ended.items():
            self._inputs.add(function_id, ended_of, batch.clock, short)
        self._logs.add(batch.logs)
        add_facts(self._connection, batch.facts)
        self._arguments.add(batch.arguments, batch.definitions, batch.clock)

    def forget(self, before: float) -> int:
        lines = self._logs.forget(before)
        forget_inputs(self._connection, before)
        forget_calls(self._connection, before, self._logs.oldest_call())
        forget_facts(self._connection, before)
        forget_arguments(self._connection, before)
        return lines

    def erase_calls(self, call_ids: Sequence[str]) -> int:
        return erase_calls(self._connection, self._logs, call_ids)

    def _add_functions(self, records: Iterable[FunctionRecord]) -> None:
        self._connection.executemany(
            "UPDATE functions SET app_id = ?, name = ?, max_inputs = ?, target_inputs = ?, variant_of = ? WHERE key = ?",
            [(*_fields(record)[1:], self._functions.of(record.function_id)) for record in records],
        )

    def _add_containers(self, records: Iterable[ContainerRecord]) -> None:
        self._connection.executemany(
            "UPDATE containers SET function_id = ?, wanted_at = ?, started_at = ?, reason = ?, connected_at = ?, "
            "loaded_at = ?, ready_at = ?, ended_at = ?, ending = ?, isolation = ? WHERE key = ?",
            [(*_fields(record)[1:], self._containers.of(record.container_id)) for record in records],
        )

    def _put(self, insert: str, columns: int, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(f"{insert} ({', '.join('?' * columns)})", rows)


def _fields(record: AppRecord | FunctionRecord | ContainerRecord) -> Any:
    return tuple(getattr(record, name) for name in record.__struct_fields__)


def _short_calls(batch: RecordBatch, ended: Mapping[str, EndedByCall]) -> dict[str, CallRecord]:
    """Calls of a batch that had one input, which has ended: those that nothing else refers to, by their ids."""
    # Others refer to these.
    known = {lines.call_id for lines in batch.logs} | {chunk.call_id for chunk in batch.chunks}
    return {
        call.call_id: call
        for call in batch.calls
        if call.parent_input_id is None
        and len(ended.get(call.function_id, {}).get(call.call_id, ())) == 1
        and call.call_id not in known
    }
