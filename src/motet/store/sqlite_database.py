"""An SQLite file of records: its schema, the one connection that writes, and those that read."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motet.errors import ServiceError
from motet.store import sqlite_arguments, sqlite_facts
from motet.store.sqlite_transaction import transaction

VERSION = 1
"""Goes up with every change of the schema, or of what is encoded in it: a Motet reads what one of its own format wrote."""

SCHEMA = f"""
CREATE TABLE apps(app_id TEXT PRIMARY KEY, name TEXT, started_at REAL, ended_at REAL);
CREATE TABLE functions(key INTEGER PRIMARY KEY, function_id TEXT UNIQUE, app_id TEXT, name TEXT, max_inputs INTEGER,
    target_inputs INTEGER, variant_of TEXT);
CREATE TABLE containers(key INTEGER PRIMARY KEY, container_id TEXT UNIQUE, function_id TEXT, wanted_at REAL,
    started_at REAL, reason TEXT, connected_at REAL, loaded_at REAL, ready_at REAL, ended_at REAL, ending TEXT);
CREATE TABLE calls(key INTEGER PRIMARY KEY, call_id TEXT UNIQUE, function INTEGER, kind INTEGER, method TEXT,
    submitted_at REAL, parent TEXT, ended_at REAL NOT NULL DEFAULT 0, first_chunk INTEGER, last_chunk INTEGER,
    succeeded INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, timed_out INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0);
CREATE INDEX calls_of_function ON calls(function, submitted_at);
CREATE INDEX calls_of_input ON calls(parent) WHERE parent IS NOT NULL;
CREATE TABLE chunks(key INTEGER PRIMARY KEY, function INTEGER, call INTEGER, first_index INTEGER, last_index INTEGER,
    first_ended REAL, last_ended REAL, kinds INTEGER, containers TEXT, count INTEGER, clock REAL, first_call TEXT,
    last_call TEXT, calls BLOB, others TEXT, data BLOB);
CREATE INDEX chunks_of_function ON chunks(function, last_ended);
CREATE INDEX chunks_of_calls ON chunks(first_call, last_call) WHERE first_call IS NOT NULL;
{sqlite_facts.SCHEMA}CREATE TABLE segments(number INTEGER PRIMARY KEY, first_position INTEGER NOT NULL);
CREATE TABLE blocks(number INTEGER PRIMARY KEY, earliest REAL NOT NULL, latest REAL NOT NULL);
"""

_READ_MMAP = 1 << 30
_WRITE_CACHE_KIB = 65536
_CHECKPOINT_PAGES = 4000
_LOG_BYTES = 1 << 26
_BUSY_SECONDS = 10.0


class Database:
    """Connections to one file, or to ":memory:". Any thread may read, and one at a time writes.

    With a file, readers (here or in other processes) see the last commit and wait for nobody. Raises `ServiceError` if the
    file cannot be opened, is not a database, or was written by a Motet of another format, newer or older.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path = path
        self._in_memory = str(path) == ":memory:"
        self._read_only = read_only
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        with self._explained("open"):
            self._writer = self._connect(read_only)
            try:
                self._prepare()
                if not read_only:
                    # After the schema: so the file has either none of it, and is empty, or all.
                    self._tune()
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or none."""
        with self._lock, self._explained("keep"):
            self._check_open()
            with transaction(self._writer):
                yield self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the database for several questions."""
        with self._explained("read"):
            if self._in_memory:
                with self._lock:
                    self._check_open()
                    yield self._writer
                return
            connection = self._take()
            try:
                connection.execute("BEGIN")
                yield connection
                connection.execute("ROLLBACK")
            except BaseException:
                connection.close()
                raise
            self._give(connection)

    def truncate_log(self) -> None:
        """Have what was overwritten be gone from the log, too, unless somebody reads there now."""
        with self._lock, self._explained("keep"):
            self._check_open()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def version(self) -> int:
        """Changes whenever somebody has written; costs next to nothing."""
        with self._lock, self._explained("read"):
            self._check_open()
            return int(self._writer.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            self._check_open()
            if self._idle:
                return self._idle.pop()
        return self._connect(read_only=True)

    def _give(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        if self._in_memory:
            return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        uri = f"{Path(self.path).absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
        )
        if read_only:
            connection.execute(f"PRAGMA mmap_size = {_READ_MMAP}")
        return connection

    def _tune(self) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        # The log is synced at checkpoints alone: what is committed outlives this process, and nearly always the machine.
        self._writer.execute("PRAGMA synchronous = NORMAL")
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._writer.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        self._writer.execute(f"PRAGMA cache_size = -{_WRITE_CACHE_KIB}")
        self._writer.execute("PRAGMA secure_delete = OFF")

    def _prepare(self) -> None:
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ServiceError(
                f"{self.path} was written by a newer Motet (format {version}, this one knows {VERSION}): "
                "update Motet to read it"
            )
        if 0 < version < VERSION:
            raise ServiceError(
                f"{self.path} was written by an older Motet (format {version}, this one reads {VERSION}): read it with that "
                "one, or delete its directory"
            )
        if version == 0 and not self._read_only:
            self._writer.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version == 0:
            raise ServiceError(f"{self.path} holds no records of Motet")
        if not self._read_only:
            self._writer.executescript(sqlite_arguments.SCHEMA)

    def _check_open(self) -> None:
        if self._closed:
            raise ServiceError(f"the records in {self.path} are closed")

    @contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError):
            raise  # the value is at fault, not the file
        except sqlite3.Error as error:
            advice = "; free some space there, or keep records for a shorter time" if "full" in str(error) else ""
            raise ServiceError(f"cannot {verb} records in {self.path}: {error}{advice}") from error
