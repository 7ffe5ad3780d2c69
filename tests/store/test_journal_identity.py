"""A home knows the journal that it had: what lies there in place of it is told, and is not taken for a new one."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.model.outcome import NewInput
from motet.store.home_backup import back_up, check, restore
from motet.store.journal import CallMade, InputsAdded, KeptCall
from motet.store.journal_identity import open_journal
from motet.store.server_home import ServerHome

AT = 1_700_000_000.0


def use(directory: Path, count: int = 0) -> str:
    """Be its server for a moment, which accepts so many calls; the id of the journal."""
    home = ServerHome.take(directory)
    try:
        journal = open_journal(directory)
        for number in range(count):
            call = KeptCall(f"fc-{number}", "shop", "fu-1", "", 7, 100.0)
            journal.keep([CallMade(call), InputsAdded(call.call_id, [NewInput(0, bytes(500))], 200.0)])
        try:
            return journal.identity
        finally:
            journal.close()
    finally:
        home.close()


def calls(directory: Path) -> int:
    journal = open_journal(directory)
    try:
        return len(list(journal.unfinished()))
    finally:
        journal.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """That of a server that has ended, with 50 calls."""
    place = tmp_path / "home" / "server"
    use(place, 50)
    return place


def without_id(directory: Path) -> None:
    """As a Motet left it that knew no ids."""
    with sqlite3.connect(directory / "journal.db") as connection:
        connection.execute("DROP TABLE identity")
    connection.close()
    (directory / "journal.id").unlink()


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_page(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096])


def first_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def of_another_home(path: Path) -> None:
    use(path.parent.parent / "other", 1)
    shutil.copyfile(path.parent.parent / "other" / "journal.db", path)


def of_an_older_motet(path: Path) -> None:
    of_another_home(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE identity")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (missing, "it is missing"),
        (empty, r"it is empty \(0 bytes\)"),
        (cut_in_half, r"it is damaged \(.+\)"),
        (one_page, r"it is damaged \(.+\)"),
        (first_bytes, r"it is damaged \(.+\)"),
        (zeros, r"it is damaged \(.+\)"),
        (of_another_home, "it has the id [0-9a-f]{32}"),
        (of_an_older_motet, "it has no id"),
    ],
)
def test_what_lies_in_place_of_the_journal_is_told_and_left_as_it_is(
    harm: Callable[[Path], None], said: str, directory: Path, tmp_path: Path
) -> None:
    path = directory / "journal.db"
    expected = (directory / "journal.id").read_text().strip()
    harm(path)
    before = path.read_bytes() if path.exists() else None
    where, whose = re.escape(str(path)), re.escape(str(directory))
    whole = (
        rf"{where} is not the journal of spawned calls that {whose} had: {said}. Expected was the one with the id {expected}, "
        r"as journal\.id beside it says"
    )
    todo = r"\. Nothing was changed\. Restore .* To go on without .* move journal\.db.* away, and delete journal\.id$"
    with pytest.raises(ServiceError, match=whole + todo):
        open_journal(directory)
    with pytest.raises(ServiceError, match=whole):
        back_up(directory, tmp_path / "backup", AT)
    assert (path.read_bytes() if path.exists() else None) == before
    found = check(directory)
    assert len(found["journal.db"]) == 1
    assert "is not the journal of spawned calls" in found["journal.db"][0]
    assert "blobs" not in found
    # What is said to be done helps.
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (directory / name).unlink(missing_ok=True)
    (directory / "journal.id").unlink()
    assert calls(directory) == 0
    assert check(directory) == {"journal.db": [], "blobs": []}


def test_a_journal_that_is_put_back_is_taken(directory: Path, tmp_path: Path) -> None:
    path = directory / "journal.db"
    path.rename(tmp_path / "kept")
    with pytest.raises(ServiceError, match="it is missing"):
        open_journal(directory)
    (tmp_path / "kept").rename(path)
    assert calls(directory) == 50


def test_it_is_known_while_all_of_it_is_still_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    journal = open_journal(tmp_path / "server")
    try:
        # As after a crash: nobody has checkpointed.
        shutil.copytree(tmp_path / "server", tmp_path / "crashed")
        (tmp_path / "crashed" / "journal.db-shm").unlink()
        assert check(tmp_path / "crashed")["journal.db"] == []
        assert calls(tmp_path / "crashed") == 0
    finally:
        journal.close()


def test_a_home_from_before_ids_goes_on_and_has_one_from_then_on(directory: Path) -> None:
    without_id(directory)
    assert check(directory) == {"journal.db": [], "blobs": []}
    identity = use(directory)
    assert (directory / "journal.id").read_text().strip() == identity
    assert (directory / "journal.id").stat().st_mode & 0o077 == 0
    assert calls(directory) == 50
    (directory / "journal.db").unlink()
    with pytest.raises(ServiceError, match="it is missing"):
        open_journal(directory)


def test_a_server_that_was_killed_before_it_had_written_the_id_beside_goes_on(directory: Path) -> None:
    identity = (directory / "journal.id").read_text()
    (directory / "journal.id").unlink()
    assert calls(directory) == 50
    assert (directory / "journal.id").read_text() == identity


def test_a_home_can_be_moved(directory: Path, tmp_path: Path) -> None:
    directory.parent.rename(tmp_path / "moved")
    assert calls(tmp_path / "moved" / "server") == 50


def test_what_is_restored_is_the_journal_of_its_home(directory: Path, tmp_path: Path) -> None:
    back_up(directory, tmp_path / "backup", AT)
    there = tmp_path / "restored" / "server"
    restore(tmp_path / "backup", there)
    assert (there / "journal.id").read_text() == (directory / "journal.id").read_text()
    assert calls(there) == 50
    (there / "journal.db").unlink()
    with pytest.raises(ServiceError, match="it is missing"):
        open_journal(there)


def test_a_backup_from_before_ids_is_restored(directory: Path, tmp_path: Path) -> None:
    without_id(directory)
    back_up(directory, tmp_path / "backup", AT)
    restore(tmp_path / "backup", tmp_path / "restored" / "server")
    assert calls(tmp_path / "restored" / "server") == 50


def test_an_id_beside_it_that_is_none_is_told(directory: Path) -> None:
    (directory / "journal.id").write_text("\n")
    with pytest.raises(
        ServiceError, match=r"journal\.id, which says which journal this home has, has '', which is no id"
    ):
        open_journal(directory)
    (directory / "journal.id").unlink()
    assert calls(directory) == 50
