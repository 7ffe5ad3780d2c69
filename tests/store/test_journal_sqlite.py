"""What is particular of the journal in an SQLite file: damage, other formats, full disks, and who may read it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from motet.errors import ServiceError
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.store.journal import CallMade, CallsForgotten, InputsAdded, InputsEnded, KeptCall
from motet.store.journal_sqlite import SqliteJournal


def call(number: int) -> KeptCall:
    return KeptCall(f"fc-{number}", "shop", "fu-1", "", 7, 100.0)


def fill(path: Path, count: int = 200) -> None:
    journal = SqliteJournal(path)
    for number in range(count):
        journal.keep([CallMade(call(number)), InputsAdded(f"fc-{number}", [NewInput(0, bytes(500))], 200.0)])
    journal.close()


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    fill(tmp_path / "journal.db", 1)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_damaged_file_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path)
    with open(path, "r+b") as file:
        for page in range(3, 12):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    before = path.read_bytes()
    with pytest.raises(ServiceError, match=r"journal\.db.*damaged"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"something else " * 1000)
    with pytest.raises(ServiceError, match=r"cannot open spawned calls in .*journal\.db"):
        SqliteJournal(path)


def test_one_that_a_newer_motet_wrote_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 1)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ServiceError, match="newer Motet"):
        SqliteJournal(path)


def test_a_full_disk_refuses_the_whole_batch_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 20)
    journal = SqliteJournal(path)
    (pages,) = journal._file._writer.execute("PRAGMA page_count").fetchone()
    journal._file._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    large = [NewInput(index, bytes(4000)) for index in range(20)]
    with pytest.raises(ServiceError, match="full"):
        journal.keep([CallMade(call(99)), InputsAdded("fc-99", large, 200.0)])
    assert journal.known("fc-99", [0]) == {}
    assert len(list(journal.unfinished())) == 20
    journal._file._writer.execute(f"PRAGMA max_page_count = {pages + 1000}")
    journal.keep([CallMade(call(99)), InputsAdded("fc-99", large, 200.0)])
    assert len(journal.known("fc-99", range(20))) == 20
    journal.close()


def test_one_that_cannot_be_written_can_still_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 3)
    journal = SqliteJournal(path)
    journal._file._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(ServiceError, match="cannot keep spawned calls"):
        journal.keep([InputsEnded("fc-1", [InputEnd(0, OutcomeKind.SUCCESS, b"x")], 300.0)])
    assert journal.call("fc-1") == (call(1), 1)
    assert journal.check() == []
    journal.close()


def test_counts_that_do_not_fit_are_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path, 2)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE calls SET waiting = 0 WHERE call_id = 'fc-1'")
    connection.close()
    journal = SqliteJournal(path)
    (wrong,) = journal.check()
    assert "fc-1 has 1 unfinished inputs" in wrong
    journal.close()


def test_starting_looks_at_nothing_that_has_ended(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    plan = journal._file._writer.execute("EXPLAIN QUERY PLAN " + _unfinished_query()).fetchall()
    assert any("USING INDEX unfinished" in row[3] for row in plan), plan
    journal.close()


def _unfinished_query() -> str:
    from motet.store import journal_sqlite_reading

    return journal_sqlite_reading._UNFINISHED


def test_no_file_has_a_byte_of_calls_that_were_erased(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    sizes = [20, 300, 3000, 20_000]  # within a page, and over several
    for number in range(80):
        size = sizes[number % len(sizes)]
        secrets = [b"<%s %d>" % (what, number) * (size // 10) for what in (b"argument", b"result")]
        kept = msgspec.structs.replace(call(number), key=b"<key %d>" % number)
        journal.keep([CallMade(kept), InputsAdded(f"fc-{number}", [NewInput(0, secrets[0])], 200.0)])
        if number % 2:
            journal.keep([InputsEnded(f"fc-{number}", [InputEnd(0, OutcomeKind.SUCCESS, secrets[1])], 300.0)])
    gone = [number for number in range(80) if number % 5 < 3]
    journal.keep([CallsForgotten([f"fc-{number}" for number in gone])])
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for number in range(80):
        found = {what for what in (b"argument", b"result", b"key") if b"<%s %d>" % (what, number) in written}
        assert found == (set() if number in gone else {b"result" if number % 2 else b"argument", b"key"}), number
    journal.close()
