"""A little of everything that is kept, and a file with it for each format of a store: `format_1.db.gz`.

`python -m tests.store.written` writes the file of the present format anew.
"""

from __future__ import annotations

import contextlib
import gzip
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from motet.model.attempt import AttemptRecord
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.facts import DecisionRecord, SampleRecord, StallRecord
from motet.records.input_chunk import GrowingChunk
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.records.successes import Successes
from motet.store.sqlite_records import SqliteRecords
from motet.store.sqlite_records_layout import VERSION
from motet.wire import report

MANY = 70
"""Inputs of one call that succeeded: enough for a chunk of their own."""


def file_of(version: int) -> Path:
    """What a Motet of this format wrote."""
    return Path(__file__).with_name(f"format_{version}.db.gz")


def batch() -> RecordBatch:
    """Every kind of record, and every field of each."""
    failure = report.Failure("ValueError", "no", "Traceback ...", b"pickled", {"retry_after": 1.0}).encoded()
    only = AttemptRecord("ta-1", 10.0, 11.0, OutcomeKind.SUCCESS)
    lost = AttemptRecord("ta-1", 13.0, 13.5, OutcomeKind.LOST, 13.1, 13.4)
    last = AttemptRecord("ta-2", 14.0, 14.5, OutcomeKind.FAILURE, 14.1, 14.4)
    growing = GrowingChunk("fu-1", "fc-many")
    moments = [20.0 + index / 8 for index in range(MANY)]
    growing.add(
        Successes(
            "fc-many",
            list(range(MANY)),
            [19.0] * MANY,
            moments,
            ["ta-1", "ta-2"] * (MANY // 2),
            moments,
            moments,
            moments,
        )
    )
    return RecordBatch(
        apps=[AppRecord("ap-1", "shop", 1.0, 99.0)],
        functions=[
            FunctionRecord("fu-1", "ap-1", "fetch", 8, "auto"),
            FunctionRecord("fu-2", "ap-1", "fetch", 4, 3, "fu-1"),
        ],
        calls=[
            CallRecord("fc-one", "fu-1", CallKind.ATTACHED, "", 9.0),
            CallRecord("fc-child", "fu-1", CallKind.SPAWNED, "method", 12.0, "in-one-0"),
            CallRecord("fc-many", "fu-1", CallKind.ATTACHED, "", 19.0),
        ],
        inputs={
            "fu-1": [
                InputRecord.of("fc-one", 0, 9.0, 11.0, OutcomeKind.SUCCESS, [only]),
                InputRecord.of("fc-child", 0, 12.0, 15.0, OutcomeKind.FAILURE, [lost, last], failure),
                InputRecord.of("fc-child", 1, 12.0, 16.0, OutcomeKind.CANCELLED, []),
            ]
        },
        chunks=[growing.chunk()],
        clock=1000.0,
        containers=[
            ContainerRecord("ta-1", "fu-1", 2.0, 3.0, "one waits", 4.0, 5.0, 6.0, 98.0, "was stopped", "bubblewrap"),
            ContainerRecord("ta-2", "fu-1", 2.5, 3.5),
        ],
        logs=[
            LogBatch(10.5, "fu-1", "ta-1", "fc-one", 0, "stdout", ["first line", "second line"]),
            LogBatch(10.6, "fu-1", "ta-1", "", -1, "system", ["ends"]),
        ],
        facts=[
            StallRecord("ta-1", "fc-one", 0, 10.2, 10.8, "kept the GIL at shop.py:3, in fetch"),
            DecisionRecord(2.0, "fu-1", 2, 0, 0, 5, 0, "5 inputs wait"),
            SampleRecord(7.0, "fu-1", 5, 3, 1, 2, 4, 2, 1, 0),
        ],
    )


def rows(path: Path) -> dict[str, list[Any]]:
    """All that a file holds but for its index of words, which SQLite makes. Keys of containers come in any order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        found = {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()
            for (name,) in names
            if not name.startswith("words_")
        }
    found["chunks"] = [tuple(sorted(it) if isinstance(it, str) else it for it in row) for row in found["chunks"]]
    return found


def write(path: Path) -> None:
    """A store with the batch."""
    store = SqliteRecords(path)
    store.add(batch())
    store.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        made = Path(directory) / "records.db"
        write(made)
        file_of(VERSION).write_bytes(gzip.compress(made.read_bytes(), mtime=0))
