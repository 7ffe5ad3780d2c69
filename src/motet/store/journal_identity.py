"""Which journal a home has: one that is missing, emptied, cut off or another home's is not taken for a new one.

The journal has an id in it, and the home has the same beside it from the journal's first commit on. A home of a Motet that
wrote no id gets one when its journal is opened next.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path

from motet.errors import ServiceError
from motet.store.journal_sqlite import LAYOUT, SqliteJournal
from motet.store.sqlite_file import connect

JOURNAL = "journal.db"
JOURNAL_ID = "journal.id"

_is_id = re.compile("[0-9a-f]{32}").fullmatch


def open_journal(directory: Path) -> SqliteJournal:
    """That of the server of this directory, made if there was none. Raises `ServiceError`, also if it is not the one that was
    here; it is left as it is then."""
    check_journal(directory)
    journal = SqliteJournal(directory / JOURNAL)
    try:
        # After its first commit: what is told beside it is in it, whenever the machine goes down.
        if not (directory / JOURNAL_ID).exists():
            _write(directory, journal.identity)
    except BaseException:
        journal.close()
        raise
    return journal


def check_journal(directory: Path) -> None:
    """Raises `ServiceError` if this directory has had a journal, and that is not what lies there now."""
    if wrong := journal_problem(directory):
        raise ServiceError(
            f"{wrong}. Nothing was changed. Restore the home from a backup (`motet server restore`), or put {JOURNAL} back, "
            f"with its {JOURNAL}-wal if there was one. To go on without the spawned calls that were in it, move "
            f"{JOURNAL}, {JOURNAL}-wal and {JOURNAL}-shm away, and delete {JOURNAL_ID}"
        )


def journal_problem(directory: Path) -> str:
    """Why what lies in this directory is not the journal that it has had; "": it is, or there was none. Raises `ServiceError`
    if that cannot be told."""
    expected = _expected(directory)
    wrong = _wrong(directory / JOURNAL, expected) if expected else ""
    return wrong and (
        f"{directory / JOURNAL} is not the journal of spawned calls that {directory} had: {wrong}. Expected was the one with "
        f"the id {expected}, as {JOURNAL_ID} beside it says"
    )


def _expected(directory: Path) -> str:
    """The id of the journal that was here; "": none was, or a Motet had it that wrote no id."""
    path = directory / JOURNAL_ID
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"cannot read {path}, which says which journal this home has: {error}") from error
    if not _is_id(found):
        raise ServiceError(
            f"{path}, which says which journal this home has, has {found!r:.80}, which is no id: restore it from a backup; or "
            f"delete it, if {JOURNAL} beside it is this home's"
        )
    return found


def _wrong(path: Path, expected: str) -> str:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        raise ServiceError(f"cannot open {LAYOUT.what} in {path}: {error}") from error
    if size == 0:
        return "it is empty (0 bytes)"
    try:
        found = _id_in(path)
    except sqlite3.OperationalError as error:
        raise ServiceError(f"cannot open {LAYOUT.what} in {path}: {error}. {LAYOUT.advice}") from error
    except sqlite3.DatabaseError as error:
        return f"it is damaged ({error})"
    if not found:
        return "it has no id"
    return "" if found == expected else f"it has the id {found}"


def _id_in(path: Path) -> str:
    with contextlib.closing(connect(path, "ro")) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'identity'").fetchall():
            return ""
        return "".join(str(found) for (found,) in connection.execute("SELECT id FROM identity"))


def _write(directory: Path, identity: str) -> None:
    path = directory / JOURNAL_ID
    unnamed = path.with_name(f"{JOURNAL_ID}.new")
    try:
        with open(os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(f"{identity}\n")
            file.flush()
            os.fsync(file.fileno())
        unnamed.replace(path)
        folder = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ServiceError(f"cannot write {path}, which says which journal this home has: {error.strerror}") from error
