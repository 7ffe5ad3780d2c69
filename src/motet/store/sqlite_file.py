"""An SQLite file: opened, checked and brought up to date; the one connection that writes, and those that read.

SQLite before 3.51.3 can damage a file in WAL mode when one connection commits while another one checkpoints: here one
connection does both, and those that read can do neither.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from motet.errors import ServiceError
from motet.store.sqlite_layout import SqliteLayout

logger = logging.getLogger("motet.server")

_CHECKPOINT_PAGES = 4000
_LOG_BYTES = 1 << 26
_BUSY_SECONDS = 10.0
CHECKED_BYTES = 1 << 26
"""A file up to this size is looked through whenever it is opened; what is damaged in a larger one shows when it is read."""


class SqliteFile:
    """Connections to one file, or to ":memory:". Any thread may read, and one at a time writes.

    Readers (here or in other processes) see the last commit and wait for nobody. A file that is made is for its user alone to
    read. Raises `ServiceError` if the file cannot be opened, is no database or a damaged one, or was written by a Motet of
    a format that this one does not read; it is left as it is then.
    """

    def __init__(self, path: Path | str, layout: SqliteLayout, *, read_only: bool = False) -> None:
        self.path = path
        self._layout = layout
        self._in_memory = str(path) == ":memory:"
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._is_closed = False
        self._readers = 0
        """Of the connections that read, those that are in use."""
        self._numbers: dict[str, int] = {}
        """Of the files, by their paths: what is written to a file that was deleted is kept nowhere."""
        self._has_remains = False
        """The log has what is to be gone from it."""
        with self._explained("open"):
            if not read_only and not self._in_memory:
                # First, as SQLite would make it for all to read.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._writer = self._connect(read_only)
            try:
                found = self._format(read_only)
                self.format = found if read_only else self._layout.newest
                """That of the file, as far as it is used here: one that is only read may have an earlier one."""
                if not read_only:
                    self._prepare(found)
                    self._remember_files()
            except BaseException:
                self._writer.close()
                raise

    # --- using it -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is kept, or none."""
        with self._lock, self._explained("keep"):
            self._check_open()
            self._check_files()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            self._check_files("What was to be kept goes into the file when they have done so: see what there is")
            if self._has_remains:
                with contextlib.suppress(sqlite3.Error):  # the transaction is kept, whatever becomes of this
                    self._truncate_log()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for several questions."""
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
            finally:
                self._give(connection)

    def truncate_log(self) -> None:
        """Have what was overwritten be gone from the log, too: now, or after a later transaction if somebody reads there."""
        with self._lock, self._explained("keep"):
            self._check_open()
            self._has_remains = True
            self._truncate_log()

    def _truncate_log(self) -> None:
        """Nobody waits for those who read."""
        self._writer.execute("PRAGMA busy_timeout = 0")
        try:
            is_busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._has_remains = bool(is_busy)
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")

    def rewrite(self) -> None:
        """Have nothing in it but what is kept now. It takes as long as it takes to write all of that."""
        with self._lock, self._explained("keep"):
            self._check_open()
            self._writer.execute("VACUUM")
            self.truncate_log()

    def version(self) -> int:
        """Changes whenever somebody has written; costs next to nothing."""
        with self._lock, self._explained("read"):
            self._check_open()
            return int(self._writer.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """No more is kept or asked. Idempotent."""
        with self._lock:
            self._is_closed = True
            for connection in (*self._idle, self._writer):  # the writer last: it checkpoints
                connection.close()
            self._idle.clear()

    # --- opening it ---------------------------------------------------------------------------------------------------

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        if self._in_memory:
            return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection = connect(Path(self.path), "ro" if read_only else "rw")
        if read_only and self._layout.mapped:
            connection.execute(f"PRAGMA mmap_size = {self._layout.mapped}")
        return connection

    def _format(self, read_only: bool) -> int:
        """That of the file; 0: there is nothing in it."""
        layout = self._layout
        (found,) = self._writer.execute("PRAGMA user_version").fetchone()
        if found > layout.newest:
            raise ServiceError(written_by_newer(self.path, found, layout))
        if 0 < found < layout.oldest:
            raise ServiceError(
                f"{self.path} was written by an older Motet (format {found}, this one reads {layout.oldest}): read it with "
                "that one, or delete its directory"
            )
        if found == 0 and read_only:
            raise ServiceError(f"{self.path} holds no {layout.what} of Motet")
        return int(found)

    def _prepare(self, found: int) -> None:
        if found and Path(self.path).stat().st_size <= CHECKED_BYTES:
            ((said, *_),) = self._writer.execute("PRAGMA quick_check(1)").fetchall()
            if said != "ok":
                raise ServiceError(
                    f"{self.path} is damaged ({' '.join(str(said).split())}), and is left as it is. Restore it from a backup; "
                    f"or move it away, and {self._layout.loss}"
                )
        self._tune()
        newer = [step for number, step in sorted(self._layout.steps.items()) if number > found]
        if newer:
            newest = f"PRAGMA user_version = {self._layout.newest}"
            self._writer.executescript(f"BEGIN; {' '.join(newer)} {newest}; COMMIT;")
        self._writer.executescript(self._layout.beside)

    def _tune(self) -> None:
        layout = self._layout
        for setting in (
            "journal_mode = WAL",
            f"synchronous = {'FULL' if layout.is_durable else 'NORMAL'}",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"journal_size_limit = {_LOG_BYTES}",
            f"cache_size = -{layout.cache >> 10}",
            f"secure_delete = {'ON' if layout.overwrites else 'OFF'}",
        ):
            self._writer.execute(f"PRAGMA {setting}")

    # --- its files ----------------------------------------------------------------------------------------------------

    def _remember_files(self) -> None:
        if not self._in_memory:
            numbers = {path: _number(path) for path in (str(self.path), f"{self.path}-wal")}
            self._numbers = {path: number for path, number in numbers.items() if number}

    def _check_files(self, otherwise: str = "Nothing has changed") -> None:
        """Raises `ServiceError` if somebody has deleted or replaced the file. A log that was deleted is still open here: what
        it has goes into the file, and another one is begun."""
        gone = [path for path, number in self._numbers.items() if _number(path) != number]
        if str(self.path) in gone:
            raise ServiceError(
                f"{self.path} was deleted, moved or replaced while this server had it open, so nothing more of "
                f"{self._layout.what} is kept. End the server, and put the file back, or restore the home from a backup"
            )
        if gone:
            self._begin_log(otherwise)

    def _begin_log(self, otherwise: str) -> None:
        log = f"{self.path}-wal"
        is_busy = bool(self._readers)
        if not is_busy:
            for connection in self._idle:
                connection.close()
            self._idle.clear()
            is_busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise ServiceError(
                f"{log} was deleted while this server had it open, and others read {self.path} just now. {otherwise}. "
                "Try again"
            )
        self._writer.close()
        self._writer = self._connect(read_only=False)
        self._tune()
        self._writer.executescript(self._layout.beside)
        self._remember_files()
        logger.warning("%s was deleted while this server had it open: all of it is in %s now", log, self.path)

    # --- those that read ----------------------------------------------------------------------------------------------

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            self._check_open()
            self._readers += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._connect(read_only=True)
        except BaseException:
            with self._lock:
                self._readers -= 1
            raise

    def _give(self, connection: sqlite3.Connection) -> None:
        is_well = True
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            is_well = not connection.in_transaction
        with self._lock:
            self._readers -= 1
            if self._is_closed or not is_well:
                connection.close()
            else:
                self._idle.append(connection)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ServiceError(f"the {self._layout.what} in {self.path} are closed")

    @contextlib.contextmanager
    def _explained(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError):
            raise  # the value is at fault, not the file
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            layout = self._layout
            raise ServiceError(f"cannot {verb} {layout.what} in {self.path}: {error}. {layout.advice}") from error


def _number(path: str) -> int:
    """By which the disk knows what lies there; 0: nothing does."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def overwriting(connection: sqlite3.Connection) -> Iterator[None]:
    """What is deleted meanwhile is overwritten. For a file of a layout that does not do so always."""
    connection.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = OFF")


def damage(path: Path, layout: SqliteLayout | None = None) -> list[str]:
    """What is wrong with a file, which a server may have open, as SQLite says; nothing if all is well. It reads all of it.
    `layout`: what it is to be of; one of a newer Motet cannot be used."""
    try:
        with contextlib.closing(connect(path, "ro")) as connection:
            found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check")]
            ((number,),) = connection.execute("PRAGMA user_version").fetchall()
    except sqlite3.Error as error:
        return [str(error)]
    if layout is not None and number > layout.newest:
        return [written_by_newer(path, number, layout)]
    return [] if found == ["ok"] else found


def written_by_newer(path: Path | str, number: int, layout: SqliteLayout) -> str:
    """Why a file of this format cannot be used, in words."""
    return (
        f"{path} was written by a newer Motet (format {number}, this one knows {layout.newest}), and is left as it is: update "
        "Motet, or set MOTET_HOME to another directory"
    )


def copy(path: Path, target: Path) -> None:
    """One state of a file, as of its last commit, in one file. Whoever writes to it waits for nobody. Raises `ServiceError`."""
    try:
        # Read only: a connection that could write would check-point the log beside the one of the server.
        with contextlib.closing(connect(path, "ro")) as source, contextlib.closing(connect(target, "rwc")) as copied:
            source.backup(copied)
    except sqlite3.Error as error:
        raise ServiceError(f"cannot copy {path}: {error}") from error


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file as it is: "ro", "rw", or "rwc" to make it. Raises `sqlite3.Error`."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
