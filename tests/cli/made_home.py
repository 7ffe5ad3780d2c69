"""A home directory with the records of one run, made by hand."""

from __future__ import annotations

import pickle
from pathlib import Path

from motet.model.attempt import AttemptRecord
from motet.model.function import AppSpec, FunctionSpec, ImportedDefinition
from motet.model.outcome import CallKind, OutcomeKind
from motet.records.arguments import ArgumentsRecord, DefinitionRecord
from motet.records.batch import RecordBatch
from motet.records.calls import CallRecord
from motet.records.facts import DecisionRecord, StallRecord
from motet.records.inputs import InputRecord
from motet.records.logs import LogBatch
from motet.records.pools import AppRecord, ContainerRecord, FunctionRecord
from motet.store.home import ServerDirectory
from motet.store.sqlite_records import SqliteRecords
from motet.wire import report

AT = 1_790_000_000.0
"""When it began."""


def made_home(home: Path, *, killed: bool = False) -> None:
    """App `shop`: `order` (fu-2) had one input, which called `fetch` (fu-1) with three: one lost its first container, one
    failed, one blocked the others. `killed`: its server was, while an input 7 of `order` ran."""
    directory = ServerDirectory.create(home, "se-1")
    store = SqliteRecords(directory.records)
    store.add(_records())
    if killed:
        line = LogBatch(AT + 5, "fu-2", "ta-00003", "fc-1", 7, "stdout", ["half-way"])
        store.add(RecordBatch(apps=[AppRecord("ap-1", "shop", AT)], logs=[line]))
    store.close()
    directory.close()


def _records() -> RecordBatch:
    ok, lost, failed = OutcomeKind.SUCCESS, OutcomeKind.LOST, OutcomeKind.FAILURE
    error = report.Failure(
        "ValueError", "item 1 is not there", "Traceback: \x1b[2Jshop.py:14\nValueError: item 1 is not there\n"
    )
    first = [
        AttemptRecord("ta-00001", AT + 1, AT + 2, lost, AT + 1, AT + 2),
        AttemptRecord("ta-00002", AT + 3, AT + 5, ok, AT + 3, AT + 5),
    ]
    second = [AttemptRecord("ta-00001", AT + 1, AT + 1.5, failed, AT + 1, AT + 1.5)]
    third = [AttemptRecord("ta-00002", AT + 3, AT + 4, ok, AT + 3, AT + 4)]
    where = ImportedDefinition(module="shop", qualname="fetch", file="/gone/shop.py")
    spec = FunctionSpec(name="fetch", app_name="shop", definition=where)
    return RecordBatch(
        apps=[AppRecord("ap-1", "shop", AT, AT + 10)],
        functions=[FunctionRecord("fu-1", "ap-1", "fetch", 10, 5), FunctionRecord("fu-2", "ap-1", "order", 1, 1)],
        calls=[
            CallRecord("fc-1", "fu-2", CallKind.SPAWNED, "", AT),
            CallRecord("fc-2", "fu-1", CallKind.ATTACHED, "", AT + 0.5, "in-1-0"),
        ],
        inputs={
            "fu-1": [
                InputRecord.of("fc-2", 0, AT + 0.5, AT + 5, ok, first),
                InputRecord.of("fc-2", 1, AT + 0.5, AT + 1.5, failed, second, error.encoded()),
                InputRecord.of("fc-2", 2, AT + 0.5, AT + 4, ok, third),
            ],
            "fu-2": [
                InputRecord.of("fc-1", 0, AT, AT + 6, ok, [AttemptRecord("ta-00003", AT, AT + 6, ok, AT, AT + 6)])
            ],
        },
        containers=[
            ContainerRecord(
                "ta-00001",
                "fu-1",
                AT,
                AT,
                "",
                AT + 0.2,
                AT + 0.4,
                AT + 0.9,
                AT + 2,
                "was killed by signal 9 (SIGKILL)",
                "bubblewrap",
            ),
            ContainerRecord(
                "ta-00002", "fu-1", AT + 2, AT + 2, "", AT + 2.2, AT + 2.4, AT + 2.9, AT + 9, "exited with status 0"
            ),
            ContainerRecord(
                "ta-00003", "fu-2", AT - 5, AT - 5, "", AT - 4, AT - 4, AT - 3, AT + 9, "exited with status 0"
            ),
        ],
        arguments=[ArgumentsRecord("fc-2", 1, "fu-1", AT + 1.5, pickle.dumps(((1,), {})))],
        definitions=[DefinitionRecord.of("fu-1", spec, AppSpec(name="shop", functions=(spec,)))],
        facts=[
            StallRecord("ta-00002", "fc-2", 2, AT + 3.2, AT + 3.7, "kept the event loop at shop.py:12"),
            DecisionRecord(AT + 0.5, "fu-1", 1, 0, 0, 3, 0, "3 inputs at 5 each want 1"),
            DecisionRecord(AT + 2, "fu-1", 2, 1, 0, 2, 5, "7 inputs at 5 each want 2"),
        ],
        logs=[
            LogBatch(AT + 1, "fu-1", "ta-00001", "fc-2", 1, "stdout", ["fetching 1 as in-2-1", "looking"]),
            LogBatch(AT + 1.5, "fu-1", "ta-00001", "fc-2", 1, "stderr", ["ValueError: item 1 is not there"]),
            LogBatch(AT + 3, "fu-1", "ta-00002", "fc-2", 0, "stdout", ["fetching 0 as in-2-0"]),
            LogBatch(AT + 3, "fu-1", "ta-00002", "", -1, "system", ["of nobody"]),
            LogBatch(AT + 4, "fu-2", "ta-00003", "fc-1", 0, "stdout", ["ordered"]),
        ],
    )
