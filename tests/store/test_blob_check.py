"""Blobs of a server's home: in its backups, and looked through with what the journal says of them."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from motet.errors import InvalidError, NotFoundError
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.store import blob_check
from motet.store.blob_area import AREA_FILE, area_of_home
from motet.store.blob_places import BlobPlaces
from motet.store.blob_reference import BlobName, StoredPayload, digest_of
from motet.store.blobs_directory import BlobDirectory
from motet.store.blobs_opened import blobs_elsewhere, blobs_of_home
from motet.store.home_backup import back_up, check, restore
from motet.store.journal import CallMade, InputsAdded, InputsEnded
from motet.store.journal_sqlite import SqliteJournal
from motet.store.server_home import ServerHome
from tests.store.test_home_backup import call

BIG = b"arguments"


def put(places: BlobPlaces, call_id: str, index: int, data: bytes = BIG) -> StoredPayload:
    return places.put(BlobName(places.area, call_id, 1, index + 1, "a", index, digest_of(data)), data)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """That of a server which has ended, with a call of three large inputs, of which the last has a large result."""
    place = tmp_path / "home" / "server"
    ServerHome.take(place).close()
    places = blobs_of_home(place, "")
    journal = SqliteJournal(place / "journal.db")
    inputs = [NewInput(index, put(places, "fc-1", index)) for index in range(3)]
    journal.keep([CallMade(call("fc-1")), InputsAdded("fc-1", inputs, 101.0)])
    result = places.put(BlobName("home", "fc-1", 1, 9, "r", 2, digest_of(b"result")), b"result")
    journal.keep([InputsEnded("fc-1", [InputEnd(2, OutcomeKind.SUCCESS, result)], 102.0)])
    journal.close()
    return place


def files(directory: Path, holding: str) -> list[Path]:
    return sorted(path for path in (directory / "blobs").rglob("*") if path.is_file() and holding in path.name)


def test_blobs_that_are_as_they_were_written_are_well(directory: Path) -> None:
    assert check(directory)["blobs"] == []


def test_what_is_missing_or_damaged_is_named_with_its_call_and_what_nobody_needs_is_not(directory: Path) -> None:
    first, second, third = files(directory, ".a.")
    first.unlink()
    second.write_bytes(b"other")
    third.unlink()  # of an input that has ended
    (result,) = files(directory, ".r.")
    result.write_bytes(b"resulT")
    found = check(directory)["blobs"]
    assert len(found) == 3
    assert "the blob with the arguments of input 0 of fc-1 is gone" in found[0]
    assert "the blob with the arguments of input 1 of fc-1 is damaged" in found[1]
    assert "the blob with the result of input 2 of fc-1 is damaged" in found[2]


def test_of_very_many_problems_some_are_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_check, "MOST_TOLD", 1)
    for path in files(directory, "."):
        path.unlink()
    assert [text[:12] for text in check(directory)["blobs"]] == ["the blob wit", "and 2 more"]


def test_a_backup_has_them_and_gives_them_back(directory: Path, tmp_path: Path) -> None:
    (directory / "blobs" / ".incoming" / "1.1").write_bytes(b"half")
    back_up(directory, tmp_path / "backup", 1.0)
    with tarfile.open(tmp_path / "backup") as archive:
        kept = [name for name in archive.getnames() if name.startswith("blobs")]
    assert len(kept) == 4
    assert all(name.startswith("blobs/home/fc-1/") for name in kept)
    restore(tmp_path / "backup", tmp_path / "other" / "server")
    assert check(tmp_path / "other" / "server")["blobs"] == []


def test_blobs_that_are_elsewhere_are_looked_through_there(directory: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    places = blobs_of_home(directory, shared)
    journal = SqliteJournal(directory / "journal.db")
    journal.keep([CallMade(call("fc-2")), InputsAdded("fc-2", [NewInput(0, put(places, "fc-2", 0))], 101.0)])
    journal.close()
    assert check(directory, shared)["blobs"] == []
    (found,) = check(directory)["blobs"]
    assert "set MOTET_BLOBS to where it was" in found
    assert places.area == area_of_home(directory)


def test_what_is_restored_begins_an_area_of_its_own_and_reads_that_of_the_original(
    directory: Path, tmp_path: Path
) -> None:
    shared = str(tmp_path / "shared")
    original = blobs_of_home(directory, shared)
    stored = put(original, "fc-1", 0)
    back_up(directory, tmp_path / "backup", 1.0)
    restore(tmp_path / "backup", tmp_path / "other" / "server")
    restored = blobs_of_home(tmp_path / "other" / "server", shared)
    assert restored.area != original.area
    assert restored.get(stored) == BIG
    assert [found.name for _, found in restored.find() if restored.area in found.name] == []
    restored.erase_call("fc-1")
    restored.delete(stored)  # its input has ended there, and waits in the original
    assert original.get(stored) == BIG
    original.delete(stored)
    with pytest.raises(NotFoundError):
        original.get(stored)


def test_a_home_that_is_copied_begins_an_area_of_its_own_and_one_that_is_moved_does_not(
    directory: Path, tmp_path: Path
) -> None:
    shared = str(tmp_path / "shared")
    original = blobs_of_home(directory, shared)
    stored = put(original, "fc-1", 0)
    copied = blobs_of_home(shutil.copytree(directory, tmp_path / "copied"), shared)
    assert copied.area not in ("", original.area)
    assert copied.get(stored) == BIG
    copied.delete(stored)
    assert [each for _, each in copied.find() if each.name.startswith(original.area)] == []
    assert original.get(stored) == BIG
    assert area_of_home(tmp_path / "copied") == copied.area
    directory.rename(tmp_path / "moved")
    assert area_of_home(tmp_path / "moved") == original.area


def test_an_area_of_a_home_that_does_not_say_where_it_was_made_is_kept(tmp_path: Path) -> None:
    (tmp_path / AREA_FILE).write_text(f"{'a' * 32}\n")
    assert area_of_home(tmp_path) == "a" * 32


def test_a_place_is_a_directory_or_a_url(tmp_path: Path) -> None:
    assert isinstance(blobs_elsewhere(str(tmp_path)), BlobDirectory)
    with pytest.raises(InvalidError, match="an absolute path, or a URL such as s3://bucket/prefix; it is 'blobs'"):
        blobs_elsewhere("blobs")
