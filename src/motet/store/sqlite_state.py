"""Shared state in an SQLite file that its user alone can read, or in memory. Several processes may use one file."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from motet.errors import ServiceError
from motet.store.sqlite_file import SqliteFile
from motet.store.sqlite_layout import SqliteLayout
from motet.store.state_rows import SqlStateRows

STATE = "state.db"
"""The file in the directory of a server."""
LOCK = "state.lock"

_FIRST = """
CREATE TABLE state_objects(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    principal INTEGER NOT NULL,
    made_at REAL NOT NULL,
    entries INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE dict_entries(
    object INTEGER NOT NULL,
    hash BLOB NOT NULL,
    name BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY(object, hash)
);
"""
LAYOUT = SqliteLayout(
    what="shared state",
    steps={1: _FIRST},
    advice="Nothing has changed. See that the directory can be written and its disk has room",
    loss="dicts are empty",
)


class SqliteState:
    """See `StateStore`. `path`: None for one in memory.

    Whoever uses the file has a lock meanwhile: a server that stays under a home, and programs that run without one, share it.
    So nobody commits while another process moves its log into the file, by which SQLite before 3.51.3 can damage it.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = -1
        if path is None:
            self._file = SqliteFile(":memory:", LAYOUT)
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(path.with_name(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ServiceError(
                f"cannot open shared state in {path.parent}: {error.strerror}. {LAYOUT.advice}"
            ) from error
        try:
            with self._alone():
                self._file = SqliteFile(path, LAYOUT)
        except BaseException:
            os.close(self._lock)
            raise

    @contextlib.contextmanager
    def turn(self) -> Iterator[SqlStateRows]:
        """See `StateStore`."""
        with self._alone(), self._file.writing() as connection:

            def execute(statement: str, values: Sequence[Any] = ()) -> list[Any]:
                return connection.execute(_here(statement), values).fetchall()

            yield SqlStateRows(execute)

    def close(self) -> None:
        """See `StateStore`."""
        with self._alone():
            self._file.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self._lock < 0:
            yield
            return
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


@functools.cache
def _here(statement: str) -> str:
    return statement.replace("$", "")
