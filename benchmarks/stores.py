"""A store with very many finished calls: how long a server needs to start on it, and what dropping the old ones costs others.

    python benchmarks/stores.py                            # 1,000,000 finished calls and 10,000 unfinished, in SQLite
    python benchmarks/stores.py --finished 10000000 --expire
    python benchmarks/stores.py --store postgresql:///motet --expire

The store is made by statements of the database itself, which takes seconds for a million calls. "Reads" is what a server does
before it takes anything: it opens the store, and reads what has not ended, with arguments. With `--expire` all that has
finished is dropped in the steps of a server, and after each step 16 spawns and 16 outcomes are kept, as a server does between
two steps; told are the times of both, beside those of the same commits before anything is dropped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from machine import description, idle

from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.server.journal.keeper import EXPIRE_AT_ONCE
from motet.server.journal.unfinished_calls import read_unfinished
from motet.store.journal import CallMade, InputsAdded, InputsEnded, Journal, KeptCall

BEGAN = 1_700_000_000.0
ARGUMENTS = 300
RESULT = 100
OTHERS = 16
"""Spawns, and outcomes, that are kept between two steps."""

_SQLITE = """
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
INSERT INTO calls(call_id, made_at, ended_at, principal, num_inputs, waiting, idempotency, kept)
    SELECT printf('fc-%012d', n), :began + n * 1e-3, :began + n * 1e-3, 7, 1, 0, NULL, :kept FROM numbers;
"""
_SQLITE_OUTCOMES = """
INSERT INTO outcomes SELECT key, 0, 0, ended_at, randomblob(:size) FROM calls WHERE key > :key
"""
_POSTGRES = """
WITH made AS (
    INSERT INTO motet.calls(call_id, made_at, principal, idempotency, kept)
        SELECT 'fc-' || lpad(n::text, 12, '0'), {began} + n * 1e-3, 7, NULL, {kept}
        FROM generate_series({first}::bigint, {last}::bigint) AS n RETURNING key, made_at
) INSERT INTO motet.outcomes(call, place, kind, ended_at, payload)
    SELECT key, 0, 0, made_at, decode(repeat(md5(key::text), {size} / 16), 'hex') FROM made
"""


def call(number: int, at: float = BEGAN) -> KeptCall:
    """A call of a deployed app."""
    return KeptCall(f"fc-{number:012d}", "shop", "fu-0123456789abcdef", "", 7, at, "shop.work")


class SqliteStore:
    """A file in a directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journal.db"

    def open(self) -> Journal:
        """As a server does."""
        from motet.store.journal_sqlite import SqliteJournal

        return SqliteJournal(self.path)

    def fill(self, first: int, last: int) -> None:
        """Add finished calls."""
        kept = msgspec.msgpack.encode(call(first))
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA cache_size = -1000000")
            (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'ended'").fetchone()
            (key,) = connection.execute("SELECT ifnull(max(key), 0) FROM calls").fetchone()
            connection.execute("BEGIN")
            connection.execute("DROP TRIGGER ended")
            connection.execute(_SQLITE, {"first": first, "last": last, "began": BEGAN, "kept": kept})
            connection.execute(_SQLITE_OUTCOMES, {"size": RESULT, "key": key})
            connection.execute(trigger)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def forget_cache(self) -> None:
        """What is read next comes from the disk."""
        for path in self.path.parent.iterdir():
            file = os.open(path, os.O_RDWR)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)

    def size(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.path.parent.iterdir())


class PostgresStore:
    """A database, in which there is nothing of Motet's yet."""

    def __init__(self, url: str) -> None:
        from motet.store import postgres_schema
        from motet.store.postgres_address import PostgresAddress
        from motet.store.postgres_connection import PostgresConnection
        from motet.store.postgres_lease import PostgresLease

        self._address = PostgresAddress(url)
        self._connection = PostgresConnection(self._address)
        postgres_schema.check(self._connection)
        self._lease = PostgresLease(self._address, "a benchmark")

    def open(self) -> Journal:
        """As a server does, but for its waiting for the lease."""
        from motet.store.lease import Term
        from motet.store.postgres_journal import PostgresJournal

        self._connection.rows("UPDATE motet.lease SET expires_at = 'epoch' RETURNING term")
        term = self._lease.take(lambda why: None)
        assert isinstance(term, Term)
        return PostgresJournal(self._address, term)

    def fill(self, first: int, last: int) -> None:
        """Add finished calls. The database gathers its statistics later, as it does in life."""
        kept = f"'\\x{msgspec.msgpack.encode(call(first)).hex()}'::bytea"
        with self._connection.reading() as session:
            statement = _POSTGRES.format(first=first, last=last, began=BEGAN, kept=kept, size=RESULT)
            session.execute("SET synchronous_commit = off")
            session.execute(statement.encode())
            session.execute("RESET synchronous_commit")

    def forget_cache(self) -> None:
        """It cannot be had from here."""

    def size(self) -> int:
        """Bytes on the disk."""
        return int(self._connection.rows("SELECT pg_database_size(current_database())")[0][0])


def add_unfinished(journal: Journal, first: int, count: int) -> None:
    """Calls of one input each."""
    for start in range(first, first + count, 1000):
        numbers = range(start, min(start + 1000, first + count))
        entries = [CallMade(call(number)) for number in numbers]
        added = [InputsAdded(it.call.call_id, [NewInput(0, os.urandom(ARGUMENTS))], BEGAN) for it in entries]
        journal.keep([*entries, *added])


class Others:
    """What a server keeps meanwhile: spawns, and outcomes of those before."""

    def __init__(self, journal: Journal, first: int) -> None:
        self._journal = journal
        self._number = first

    def keep(self) -> Took:
        """One commit."""
        now = time.time()
        numbers = range(self._number, self._number + OTHERS)
        self._number += OTHERS
        calls = [call(number, now) for number in numbers]
        before = [call(number - OTHERS) for number in numbers]
        entries = [
            *(CallMade(it) for it in calls),
            *(InputsAdded(it.call_id, [NewInput(0, bytes(ARGUMENTS))], now) for it in calls),
            *(InputsEnded(it.call_id, [InputEnd(0, OutcomeKind.SUCCESS, bytes(RESULT))], now) for it in before),
        ]
        return timed(lambda: self._journal.keep(entries))


class Took(NamedTuple):
    """What something took: seconds, and those of them in which a processor worked on it here."""

    seconds: float
    processor: float


def timed(do: Callable[[], object]) -> Took:
    """Do it."""
    began, processor = time.perf_counter(), time.thread_time()
    do()
    return Took(time.perf_counter() - began, time.thread_time() - processor)


def told(what: str, took: list[Took]) -> str:
    """Two lines: how many, median, 99 % and the worst, in milliseconds; of processor time, too."""

    def line(seconds: list[float]) -> str:
        ordered = sorted(seconds)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        worst = ", ".join(f"{each * 1e3:.0f}" for each in ordered[-5:][::-1])
        over = sum(each > 0.05 for each in ordered)
        median = statistics.median(ordered) * 1e3
        return f"median {median:6.2f} ms, p99 {p99 * 1e3:6.1f}, worst {worst}; over 50 ms: {over}"

    elapsed, worked = line([each.seconds for each in took]), line([each.processor for each in took])
    return f"{what:34} {len(took):7,}  {elapsed}\n{'':34}  processor {worked}"


def start(store: SqliteStore | PostgresStore, repeat: int) -> Iterator[str]:
    """How long a server needs before it takes anything."""
    opened, read, worked, count = [], [], [], 0
    for _ in range(repeat):
        store.forget_cache()
        began, processor = time.perf_counter(), time.thread_time()
        journal = store.open()
        opened.append(time.perf_counter() - began)
        parts = read_unfinished(journal)
        read.append(time.perf_counter() - began)
        worked.append(time.thread_time() - processor)
        count = sum(len(part.inputs) for part in parts)
        journal.close()
    yield f"start: opens in {statistics.median(opened):.3f} s (worst {max(opened):.3f}); has read {count:,} unfinished inputs"
    after = f"{statistics.median(read):.3f} s (worst {max(read):.3f}; processor, here: {statistics.median(worked):.3f})"
    yield f"       after {after}, in {repeat} starts"


def expire(store: SqliteStore | PostgresStore, finished: int, first: int, most: int, at_most: int) -> Iterator[str]:
    """How long others wait while the finished go."""
    journal = store.open()
    others = Others(journal, first)
    others.keep()
    yield told("commits of others, nothing else", [others.keep() for _ in range(2000)])
    before = BEGAN + finished  # all of them, and none of the others
    steps, commits, gone, began, noted = [], [], 0, time.perf_counter(), time.perf_counter()
    while True:
        count = 0

        def step() -> None:
            nonlocal count
            count = journal.expire(before, most)

        steps.append(timed(step))
        gone += count
        if not count or len(steps) == at_most:
            break
        commits.append(others.keep())
        if time.perf_counter() - noted > 60:
            noted = time.perf_counter()
            print(f"  {gone:,} gone", told("steps until now", steps), flush=True)
    spent = time.perf_counter() - began
    yield told(f"steps of {most}", steps)
    yield told("commits of others, between steps", commits)
    yield told("steps and commits together", [*steps, *commits])
    yield f"gone: {gone:,} inputs in {spent:.0f} s ({gone / spent:,.0f} a second); {store.size() / 1e6:,.0f} MB are left"
    journal.close()


def main() -> int:
    """Make a store, start on it, and drop what is old."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", default="", help="an empty PostgreSQL database (default: a file)")
    parser.add_argument("--directory", type=Path, help="where the file is (a disk, not memory)")
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--unfinished", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5, help="starts")
    parser.add_argument("--expire", action="store_true", help="then drop all that has finished")
    parser.add_argument("--most", type=int, default=EXPIRE_AT_ONCE, help="inputs that go in a step")
    parser.add_argument("--steps", type=int, default=0, help="of them at most (0: until nothing is left)")
    given = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in description().items()), f"idle {idle():.0%}", flush=True)
    with tempfile.TemporaryDirectory(prefix="motet-store-", dir=given.directory) as place:
        store = PostgresStore(given.store) if given.store else SqliteStore(Path(place))
        began = time.perf_counter()
        journal = store.open()
        add_unfinished(journal, 10**11, given.unfinished)
        journal.close()
        for first in range(1, given.finished + 1, 1_000_000):
            store.fill(first, min(first + 999_999, given.finished))
        made = time.perf_counter() - began
        print(f"{given.finished:,} finished calls, {store.size() / 1e6:,.0f} MB, made in {made:.0f} s", flush=True)
        for line in start(store, given.repeat):
            print(line, flush=True)
        for line in expire(store, given.finished, 2 * 10**11, given.most, given.steps) if given.expire else ():
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
