"""Facts in SQLite: a table for each kind, found by whom they are about and when they were."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from motet.records.facts import DecisionRecord, FactRecord, SampleRecord, StallRecord
from motet.store.sqlite_keys import mended

F = TypeVar("F", bound=FactRecord)

SCHEMA = """
CREATE TABLE stalls(container_id TEXT, began REAL, ended REAL, call_id TEXT, number INTEGER, what TEXT);
CREATE INDEX stalls_of_container ON stalls(container_id, began);
CREATE TABLE decisions(function_id TEXT, at REAL, desired INTEGER, live INTEGER, starting INTEGER, waiting INTEGER,
    running INTEGER, reason TEXT);
CREATE INDEX decisions_of_function ON decisions(function_id, at);
CREATE TABLE samples(function_id TEXT, at REAL, waiting INTEGER, running INTEGER, succeeded INTEGER, failed INTEGER,
    cancelled INTEGER, ready INTEGER, starting INTEGER, other INTEGER);
CREATE INDEX samples_of_function ON samples(function_id, at);
"""


@dataclass(frozen=True, slots=True)
class FactTable:
    """Where facts of a kind lie. `columns` are in the order of their fields; `about` is whom a fact is of, `first` and `last`
    when it was."""

    name: str
    columns: str
    about: str
    first: str = "at"
    last: str = "at"


TABLES: dict[type[FactRecord], FactTable] = {
    StallRecord: FactTable(
        "stalls", "container_id, call_id, number, began, ended, what", "container_id", "began", "ended"
    ),
    DecisionRecord: FactTable(
        "decisions", "at, function_id, desired, live, starting, waiting, running, reason", "function_id"
    ),
    SampleRecord: FactTable(
        "samples",
        "at, function_id, waiting, running, succeeded, failed, cancelled, ready, starting, other",
        "function_id",
    ),
}


def add_facts(connection: sqlite3.Connection, facts: Iterable[FactRecord]) -> None:
    """Keep these."""
    rows: dict[type[FactRecord], list[tuple[Any, ...]]] = {}
    for fact in facts:
        rows.setdefault(type(fact), []).append(tuple(getattr(fact, name) for name in fact.__struct_fields__))
    for kind, of_kind in rows.items():
        table = TABLES[kind]
        places = ", ".join("?" * len(kind.__struct_fields__))
        connection.executemany(f"INSERT INTO {table.name}({table.columns}) VALUES ({places})", of_kind)


def find_facts(
    connection: sqlite3.Connection,
    kind: type[F],
    about: Sequence[str],
    since: float | None,
    until: float | None,
    limit: int | None,
) -> list[F]:
    """See `RecordReader.facts`."""
    table = TABLES[kind]
    clauses, values = [f"{table.about} IN ({', '.join('?' * len(about))})"], list[Any](map(mended, about))
    if since is not None:
        clauses.append(f"{table.last} >= ?")
        values.append(since)
    if until is not None:
        clauses.append(f"{table.first} <= ?")
        values.append(until)
    ask = (
        f"SELECT {table.columns} FROM {table.name} WHERE {' AND '.join(clauses)} "
        f"ORDER BY {table.first} DESC, rowid DESC LIMIT ?"
    )
    rows = connection.execute(ask, (*values, -1 if limit is None else limit)).fetchall()
    return [kind(*row) for row in reversed(rows)]


def forget_facts(connection: sqlite3.Connection, before: float) -> None:
    """Drop those that were over before this moment."""
    for table in TABLES.values():
        connection.execute(f"DELETE FROM {table.name} WHERE {table.last} < ?", (before,))
