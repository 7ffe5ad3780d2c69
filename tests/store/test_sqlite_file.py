"""What holds of every SQLite file of a server: who may read it, formats, damage, one who writes and many who read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.store.sqlite_file import SqliteFile, copy, damage
from motet.store.sqlite_layout import SqliteLayout

FIRST = "CREATE TABLE things(name TEXT);"
SECOND = "ALTER TABLE things ADD COLUMN size INTEGER NOT NULL DEFAULT 7;"
OLD = SqliteLayout(what="things", steps={1: FIRST}, advice="Look after it", loss="there are no things")
NEW = SqliteLayout(what="things", steps={1: FIRST, 2: SECOND}, advice="Look after it", loss="there are no things")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
def file(path: Path) -> Iterator[SqliteFile]:
    with contextlib.closing(SqliteFile(path, NEW)) as file:
        yield file


def add(file: SqliteFile, *names: str) -> None:
    with file.writing() as connection:
        connection.executemany("INSERT INTO things(name) VALUES(?)", [(name,) for name in names])


def names(file: SqliteFile) -> list[str]:
    with file.reading() as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things")]


def close(path: Path, layout: SqliteLayout, *names: str) -> bytes:
    """A file of a layout that nobody has open; its bytes."""
    with contextlib.closing(SqliteFile(path, layout)) as file:
        add(file, *names)
    return path.read_bytes()


def test_its_user_alone_can_read_all_that_belongs_to_it(file: SqliteFile, path: Path) -> None:
    add(file, "a")
    assert len(list(path.parent.iterdir())) == 3
    assert [oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()] == ["0o600"] * 3


def test_a_file_of_each_older_format_is_brought_up_to_date_with_what_it_has(path: Path) -> None:
    close(path, OLD, "a", "b")
    with contextlib.closing(SqliteFile(path, NEW)) as file, file.reading() as connection:
        assert connection.execute("SELECT * FROM things").fetchall() == [("a", 7), ("b", 7)]
    with pytest.raises(ServiceError, match=r"newer Motet \(format 2, this one knows 1\), and is left as it is"):
        SqliteFile(path, OLD)


def test_a_step_that_fails_changes_nothing(path: Path) -> None:
    before = close(path, OLD, "a")
    wrong = SqliteLayout(what="things", steps={1: FIRST, 2: f"{SECOND} NONSENSE;"}, advice="", loss="")
    with pytest.raises(ServiceError, match="cannot open things"):
        SqliteFile(path, wrong)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_format_that_is_not_read_any_more_is_said_and_left_as_it_is(path: Path, read_only: bool) -> None:
    before = close(path, OLD, "a")
    latest = SqliteLayout(what="things", steps={2: FIRST}, advice="", loss="")
    with pytest.raises(
        ServiceError, match=r"older Motet \(format 1, this one reads 2\): read it with that one, or delete"
    ):
        SqliteFile(path, latest, read_only=read_only)
    assert path.read_bytes() == before


def test_who_only_reads_changes_nothing_and_makes_nothing(path: Path) -> None:
    with pytest.raises(ServiceError, match=r"cannot open things in \S+: unable to open .*Look after it"):
        SqliteFile(path, NEW, read_only=True)
    before = close(path, NEW, "a")
    with contextlib.closing(SqliteFile(path, NEW, read_only=True)) as file:
        assert names(file) == ["a"]
        with pytest.raises(ServiceError, match="readonly"):
            add(file, "b")
    assert path.read_bytes() == before


def test_an_empty_file_has_nothing_to_read(path: Path) -> None:
    path.touch()
    with pytest.raises(ServiceError, match="holds no things of Motet"):
        SqliteFile(path, NEW, read_only=True)


def test_a_damaged_file_is_told_and_left_as_it_is(path: Path) -> None:
    close(path, NEW, *map(str, range(3000)))
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xa5" * 4096)
    before = path.read_bytes()
    with pytest.raises(ServiceError, match=r"is damaged \(.*\).* move it away, and there are no things"):
        SqliteFile(path, NEW)
    assert (path.read_bytes(), damage(path) != []) == (before, True)


def test_what_fails_is_not_kept(file: SqliteFile) -> None:
    def fail(statement: str) -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO things(name) VALUES('a')")
            connection.execute(statement)

    with pytest.raises(ServiceError, match=r"cannot keep things in \S+: no such table: none. Look after it"):
        fail("INSERT INTO none VALUES(1)")
    with pytest.raises(sqlite3.IntegrityError):  # the value is at fault, not the file
        fail("INSERT INTO things(name, size) VALUES('b', NULL)")
    assert names(file) == []


def test_who_reads_sees_one_state_and_keeps_nobody_from_writing(file: SqliteFile) -> None:
    add(file, "a")
    with file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (1,)
        add(file, "b")
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (1,)
        assert names(file) == ["a", "b"]
    with pytest.raises(LookupError), file.reading():
        raise LookupError
    assert names(file) == ["a", "b"]


def test_any_thread_may_read_and_write(file: SqliteFile) -> None:
    def use(name: str) -> None:
        for number in range(20):
            add(file, f"{name}{number}")
            assert f"{name}{number}" in names(file)

    threads = [threading.Thread(target=use, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(file)) == 60


def test_what_is_closed_says_so_and_leaves_one_file(file: SqliteFile, path: Path) -> None:
    add(file, "a")
    assert names(file) == ["a"]
    file.close()
    file.close()
    assert os.listdir(path.parent) == ["things.db"]
    for use in (lambda: names(file), lambda: add(file, "b"), file.version, file.truncate_log):
        with pytest.raises(ServiceError, match=r"the things in \S+ are closed"):
            use()


def test_a_copy_has_the_last_commit_and_nothing_that_is_under_way(file: SqliteFile, path: Path, tmp_path: Path) -> None:
    add(file, "a")
    with file.writing() as connection:
        connection.execute("INSERT INTO things(name) VALUES('b')")
        copy(path, tmp_path / "copy.db")
    with contextlib.closing(SqliteFile(tmp_path / "copy.db", NEW)) as copied:
        assert names(copied) == ["a"]
    assert damage(tmp_path / "copy.db") == []
    with pytest.raises(ServiceError, match=r"cannot copy \S+none\.db"):
        copy(tmp_path / "none.db", tmp_path / "other.db")


def test_one_in_memory_is_like_the_others() -> None:
    with contextlib.closing(SqliteFile(":memory:", NEW)) as file:
        add(file, "a")
        assert names(file) == ["a"]
        file.truncate_log()


def test_other_formats_are_what_they_were(path: Path) -> None:
    """A file that something else has made is not taken for one of Motet's."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(ServiceError, match="format 9"):
        SqliteFile(path, NEW)


def test_what_is_erased_goes_from_the_log_as_soon_as_nobody_reads_there(path: Path) -> None:
    layout = SqliteLayout(what="things", steps={1: FIRST}, advice="", loss="", overwrites=True)
    with contextlib.closing(SqliteFile(path, layout)) as file:
        add(file, "erased", "kept")

        def is_there(name: str) -> bool:
            return any(name.encode() in each.read_bytes() for each in path.parent.iterdir())

        with file.reading() as reading:
            reading.execute("SELECT count(*) FROM things").fetchone()
            with file.writing() as connection:
                connection.execute("DELETE FROM things WHERE name = 'erased'")
            file.truncate_log()  # waits for nobody
            assert is_there("erased")
        add(file, "later")
        assert [is_there(name) for name in ("erased", "kept", "later")] == [False, True, True]


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_is_deleted_or_replaced_while_it_is_open_takes_nothing_more(
    file: SqliteFile, path: Path, is_replaced: bool
) -> None:
    add(file, "a")
    path.unlink()
    if is_replaced:
        close(path, NEW, "b")
    with pytest.raises(ServiceError, match=r"things\.db was deleted, moved or replaced while this server had it open"):
        add(file, "c")


def test_a_file_that_is_deleted_during_a_commit_has_not_kept_it(file: SqliteFile, path: Path) -> None:
    def add_and_delete() -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO things(name) VALUES('a')")
            path.unlink()

    with pytest.raises(ServiceError, match="was deleted"):
        add_and_delete()


@pytest.mark.parametrize("during", [False, True])
def test_a_log_that_is_deleted_while_it_is_open_loses_nothing(
    file: SqliteFile, path: Path, during: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log = path.with_name("things.db-wal")
    add(file, "a")
    assert names(file) == ["a"]  # by a connection that has the log open, too
    if during:
        with file.writing() as connection:
            connection.execute("INSERT INTO things(name) VALUES('b')")
            log.unlink()
    else:
        log.unlink()
        add(file, "b")
    assert log.exists()
    assert "things.db-wal was deleted while this server had it open: all of it is in " in caplog.text
    add(file, "c")
    assert names(file) == ["a", "b", "c"]
    copy(path, path.with_name("copy.db"))  # another process sees the same
    with contextlib.closing(SqliteFile(path.with_name("copy.db"), NEW)) as copied:
        assert names(copied) == ["a", "b", "c"]


def test_while_others_read_a_log_that_was_deleted_nothing_is_said_to_be_kept(file: SqliteFile, path: Path) -> None:
    add(file, "a")
    with file.reading() as reader:
        assert reader.execute("SELECT count(*) FROM things").fetchone() == (1,)
        path.with_name("things.db-wal").unlink()
        with pytest.raises(ServiceError, match=r"others read .* just now\. Nothing has changed"):
            add(file, "b")
    add(file, "c")
    assert names(file) == ["a", "c"]
