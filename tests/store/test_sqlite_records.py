"""Records in SQLite: the contract, and what a file must withstand."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from motet.errors import ServiceError
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.arguments import ArgumentsRecord
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.facts import FactRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.queries import CallQuery, InputQuery, LogQuery
from motet.store.sqlite_facts import TABLES
from motet.store.sqlite_records import SqliteRecords
from tests.contracts.record_store_contract import (
    RecordStoreContract,
    arguments,
    call,
    definition,
    ended,
    lines,
    shop,
    texts,
)


class TestInMemory(RecordStoreContract):
    @pytest.fixture
    def store(self) -> Iterator[SqliteRecords]:
        store = SqliteRecords(":memory:", lines_per_segment=7)
        yield store
        store.close()


class TestInFile(RecordStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteRecords]:
        store = SqliteRecords(tmp_path / "records.db")
        yield store
        store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


def test_records_are_there_after_reopening_and_more_can_be_added(path: Path) -> None:
    for number in range(5):
        store = SqliteRecords(path, lines_per_segment=3)
        store.add(shop(logs=[lines(f"line {number}", "---", call=1, index=number)], inputs={"fu-1": [ended(number)]}))
        store.close()
    store = SqliteRecords(path, read_only=True)
    assert texts(store, LogQuery(search="line")) == [f"line {number}" for number in range(5)]
    assert [it.index for it in store.inputs(InputQuery(call_id="fc-1"))] == [0, 1, 2, 3, 4]
    assert (found := store.call("fc-1")) is not None
    assert found.ended_inputs == 5
    store.close()


def test_a_reader_of_its_own_sees_what_is_added_later(path: Path) -> None:
    writer = SqliteRecords(path)
    reader = SqliteRecords(path, read_only=True)
    before = reader.version()
    writer.add(shop(logs=[lines("news")]))
    assert reader.version() != before
    assert texts(reader, LogQuery()) == ["news"]
    writer.close()
    assert texts(reader, LogQuery()) == ["news"]
    reader.close()


WRITE_FOREVER = """
import itertools, sys
from motet.records.batch import RecordBatch
from motet.store.sqlite_records import SqliteRecords
from tests.contracts.record_store_contract import lines, ended, shop
store = SqliteRecords(sys.argv[1], lines_per_segment=1000)
store.add(shop())
for number in itertools.count():
    store.add(RecordBatch(logs=[lines(*[f"line {number}"] * 100)], inputs={"fu-1": [ended(number)]}))
    print(number, flush=True)
"""


def test_everything_added_survives_a_killed_process(path: Path) -> None:
    root = Path(__file__).parents[2]
    program = [sys.executable, "-c", WRITE_FOREVER, str(path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        said = [line for line, _ in zip(process.stdout, range(40), strict=False)]
        process.send_signal(signal.SIGKILL)
        last = int([*said, *process.stdout][-1])
    reader = SqliteRecords(path, read_only=True)
    store = SqliteRecords(path, lines_per_segment=1000)
    assert reader.inputs(InputQuery()) == store.inputs(InputQuery()) != []
    reader.close()
    kept = len(store.inputs(InputQuery(call_id="fc-1", limit=20_000)))
    assert kept in (last + 1, last + 2)  # it may have been killed between adding and saying so
    assert len(store.logs(LogQuery(limit=20_000))) == min(100 * kept, 20_000)
    assert len(store.logs(LogQuery(search=f"line {last}"))) == 100
    store.add(RecordBatch(logs=[lines("on we go")]))
    assert texts(store, LogQuery(limit=1)) == ["on we go"]
    store.close()


def test_a_full_disk_says_where_and_what_to_do_and_loses_nothing_that_was_kept(path: Path) -> None:
    store = SqliteRecords(path)
    store.add(shop(logs=[lines("before")]))
    with store._file.writing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    store._file._writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(ServiceError, match=rf"cannot keep records in {path}: .*full.*; free some space"):
        store.add(RecordBatch(calls=[call(2)], logs=[lines("x" * 1_000_000)]))
    assert (texts(store, LogQuery()), store.call("fc-2")) == (["before"], None)
    store._file._writer.execute("PRAGMA max_page_count = 1000000")
    store.add(RecordBatch(calls=[call(2)], logs=[lines("after")]))
    assert (texts(store, LogQuery()), store.call("fc-2") is not None) == (["before", "after"], True)
    store.close()


def test_rows_of_calls_that_are_forgotten_go(path: Path) -> None:
    store = SqliteRecords(path, lines_per_segment=5)
    for number in range(1, 40):
        logs = [lines("a line", at=float(number), call=number, index=0)]
        inputs = {"fu-1": [ended(0, number, at=float(number))]}
        store.add(RecordBatch(calls=[call(number)], inputs=inputs, logs=logs))
        store.forget(before=number - 5.0)
    with store._file.reading() as connection:
        tables = "SELECT (SELECT count(*) FROM calls), (SELECT count(*) FROM chunks), (SELECT count(*) FROM segments)"
        assert connection.execute(tables).fetchone() <= (6, 6, 3)
    store.close()


def test_what_is_only_for_whoever_hears_of_an_input_at_once_is_not_kept(path: Path) -> None:
    store = SqliteRecords(path)
    record = msgspec.structs.replace(ended(0), trace="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    store.add(RecordBatch(calls=[call(1)], inputs={"fu-1": [record]}))
    (kept,) = store.inputs(InputQuery(call_id=record.call_id))
    assert kept == msgspec.structs.replace(record, trace="")
    store.close()


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_file_that_holds_no_records_says_so(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ServiceError, match=str(path)):
        SqliteRecords(path, read_only=True)


def test_a_file_that_is_not_there_says_so(path: Path) -> None:
    with pytest.raises(ServiceError, match=f"cannot open records in {path}"):
        SqliteRecords(path, read_only=True)


def test_a_closed_store_says_so(path: Path) -> None:
    store = SqliteRecords(path)
    store.close()
    with pytest.raises(ServiceError, match="are closed"):
        store.logs(LogQuery())
    with pytest.raises(ServiceError, match="are closed"):
        store.add(RecordBatch())


def test_a_hundred_thousand_calls_and_inputs_are_paged_through(path: Path) -> None:
    store = SqliteRecords(path)
    store.add(shop())
    for start in range(0, 100_000, 5000):
        numbers = range(start, start + 5000)
        calls = [call(2 + number) for number in numbers]
        inputs = [
            *(ended(0, 2 + number, at=float(2 + number)) for number in numbers),
            *(ended(number) for number in numbers),
        ]
        store.add(RecordBatch(calls=calls, inputs={"fu-1": inputs}))
    assert [it.call.call_id for it in store.calls(CallQuery(limit=1, before=50_000))] == ["fc-49999"]
    assert [it.index for it in store.inputs(InputQuery(call_id="fc-1", after_index=77_777, limit=2))] == [
        77_778,
        77_779,
    ]
    assert store.input("in-100001-0") == ended(0, 100_001, at=100_001.0)
    pages = itertools.takewhile(bool, _pages(store))
    assert sum(map(len, pages)) == 100_000
    store.close()


def _pages(store: SqliteRecords) -> Iterator[list[int]]:
    last = -1
    while True:
        page = [it.index for it in store.inputs(InputQuery(call_id="fc-1", after_index=last, limit=10_000))]
        yield page
        last = page[-1] if page else last


def test_each_kind_of_fact_has_a_table() -> None:
    assert set(TABLES) == set(FactRecord.__subclasses__())
    for kind, table in TABLES.items():
        columns = table.columns.split(", ")
        assert len(columns) == len(kind.__struct_fields__)
        assert {table.about, table.first, table.last} <= {*columns}


def test_the_oldest_arguments_go_when_there_are_more_than_may_be(path: Path) -> None:
    each = len(arguments(1).payload)
    store = SqliteRecords(path, arguments_bytes=10 * each)
    store.add(shop(arguments=[arguments(number) for number in range(1, 8)], definitions=[definition()]))
    assert store.arguments("in-1-0") == arguments(1)
    store.close()
    store = SqliteRecords(path, arguments_bytes=10 * each)  # what is there counts
    store.add(shop(arguments=[arguments(8), arguments(9)]))
    assert store.arguments("in-1-0") == arguments(1)
    store.add(shop(arguments=[msgspec.structs.replace(arguments(10), payload=b"x" * (2 * each))]))
    assert [store.arguments(f"in-{number}-0") is None for number in range(1, 11)] == [*[True] * 2, *[False] * 8]
    store.close()


def test_bytes_of_arguments_that_went_are_not_in_the_file(path: Path) -> None:
    store = SqliteRecords(path)
    store.add(shop(arguments=[arguments(1)], definitions=[definition()]))
    store.close()
    assert b"arguments 1" in path.read_bytes()
    assert b"s3cret" not in path.read_bytes()
    store = SqliteRecords(path)
    store.forget(before=2.0)
    store.close()
    assert b"arguments 1" not in path.read_bytes()


def test_a_file_that_was_made_without_arguments_gets_some(path: Path) -> None:
    SqliteRecords(path).close()
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE arguments; DROP TABLE definitions")
    connection.close()
    store = SqliteRecords(path, read_only=True)
    assert (store.arguments("in-1-0"), store.definition("fu-1")) == (None, None)
    store.close()
    store = SqliteRecords(path)
    store.add(shop(arguments=[arguments(1)]))
    assert store.arguments("in-1-0") == arguments(1)
    store.close()


def test_the_bytes_of_an_erased_call_are_in_no_file(tmp_path: Path) -> None:
    with contextlib.closing(SqliteRecords(tmp_path / "records.db")) as store:
        for number in (1, 2):
            record = ArgumentsRecord(f"fc-{number}", 0, "fu-1", 1.0, b"argument%d" % number * 100)
            batch = LogBatch(1.0, "fu-1", "ta-1", f"fc-{number}", 0, "stdout", [f"printedline{number}"])
            failed = InputRecord.of(f"fc-{number}", 0, 0.0, 1.0, OutcomeKind.FAILURE, [], b"failure%d" % number)
            call = CallRecord(f"fc-{number}", "fu-1", CallKind.SPAWNED, "", 1.0)
            store.add(RecordBatch(calls=[call], arguments=[record], logs=[batch], inputs={"fu-1": [failed]}))
        assert store.erase_calls(["fc-1"]) == 1
        written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (b"argument", b"printedline", b"failure"):
        assert secret + b"1" not in written
        assert secret + b"2" in written
