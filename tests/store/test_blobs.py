"""Blobs in memory and in a directory: whole or not there, and gone when they are to be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from motet.errors import ServiceError
from motet.store import blobs_directory
from motet.store.blob_reference import MARKER, BlobName, StoredPayload, as_kept, digest_of, may_name
from motet.store.blobs_directory import INCOMING, LEFT_BEHIND, BlobDirectory
from motet.store.blobs_memory import MemoryBlobs
from tests.contracts.blob_store_contract import BlobStoreContract, names


class TestMemoryBlobs(BlobStoreContract):
    @pytest.fixture
    def store(self) -> MemoryBlobs:
        return MemoryBlobs()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(directory: Path) -> BlobDirectory:
    return BlobDirectory(directory)


class TestBlobDirectory(BlobStoreContract):
    pass


def test_files_are_their_users_alone(store: BlobDirectory, directory: Path) -> None:
    store.put("home/fc-a/one", b"secret")
    for path in (directory, *directory.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_file_and_the_names_that_lead_to_it_are_synced_before_it_counts_as_kept(
    store: BlobDirectory, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    store.put("home/fc-a/one", b"1")
    content = next(place for place, path in enumerate(synced) if Path(path).parent == directory / INCOMING)
    # Before it has its name: that is what says that it is whole.
    assert synced[-1] == str(directory / "home" / "fc-a")
    assert content < len(synced) - 1
    assert {str(directory.parent), str(directory), str(directory / "home")} <= set(synced)


def test_what_could_not_be_written_leaves_nothing_and_says_why(
    store: BlobDirectory, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs_directory.os, "write", full)
    with pytest.raises(ServiceError, match="large arguments and results are kept: No space left on device"):
        store.put("home/fc-a/one", b"1")
    assert names(store) == []
    assert list((directory / INCOMING).iterdir()) == []


def test_nothing_is_deleted_while_a_copy_is_made_but_what_is_erased(store: BlobDirectory) -> None:
    store.put("home/fc-a/one", b"1")
    store.put("home/fc-a/two", b"2")
    with store.kept():
        assert store.delete(["home/fc-a/one"]) == 1
        assert names(store) == ["home/fc-a/one", "home/fc-a/two"]
        store.erase(["home/fc-a/two"])
        assert names(store) == ["home/fc-a/one"]
    assert store.delete(["home/fc-a/one"]) == 0
    assert names(store) == []


def test_a_directory_that_was_never_made_can_be_looked_at_and_held(store: BlobDirectory) -> None:
    with store.kept():
        assert store.delete(["home/fc-a/one"]) == 1
    assert names(store) == []


def test_what_a_server_before_left_half_written_goes_after_a_day(store: BlobDirectory, directory: Path) -> None:
    store.put("home/fc-a/one", b"1")
    old, new = directory / INCOMING / "1.1", directory / INCOMING / "2.1"
    for path in (old, new):
        path.write_bytes(b"half")
    before = old.stat().st_mtime - LEFT_BEHIND - 60
    os.utime(old, (before, before))
    assert names(store, "home") == ["home/fc-a/one"]  # as a server asks, for its own area
    assert not old.exists()
    assert new.exists()


def test_servers_with_the_same_process_id_do_not_write_over_what_the_other_has_begun(
    store: BlobDirectory, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two that are each process 1 of a container, and share the directory."""
    beside = BlobDirectory(directory)
    write = os.write
    begun: list[str] = []

    def interrupted(file: int, data: bytes) -> int:
        begun.append(os.readlink(f"/proc/self/fd/{file}"))
        if len(begun) == 1:
            beside.put("home/fc-b/one", b"of the other")
        return write(file, data)

    monkeypatch.setattr(blobs_directory.os, "write", interrupted)
    store.put("home/fc-a/one", b"1")
    assert len(set(begun)) == 2
    assert (store.get("home/fc-a/one"), store.get("home/fc-b/one")) == (b"1", b"of the other")


def test_a_directory_of_blobs_goes_with_the_last_of_them(store: BlobDirectory, directory: Path) -> None:
    store.put("home/fc-a/one", b"1")
    store.erase(["home/fc-a/one"])
    assert not (directory / "home" / "fc-a").exists()


class TestReferences:
    NAME = BlobName("home", "fc-01h", 3, 17, "r", -2, digest_of(b"content"))

    def test_a_reference_says_which_blob_it_is_and_how_large(self) -> None:
        stored = StoredPayload.of(self.NAME, 7)
        found = as_kept(bytes(stored))
        assert isinstance(found, StoredPayload)
        assert (found, found.name, found.size) == (stored, self.NAME, 7)
        assert self.NAME.owner == "the blob with the result of input -2 of fc-01h"
        assert len(stored) < 200

    @pytest.mark.parametrize("payload", [b"", b"\x80\x05.", b"JJ{}", b"\xc1", MARKER[:-1]])
    def test_other_payloads_are_as_they_are(self, payload: bytes) -> None:
        assert type(as_kept(payload)) is bytes

    @pytest.mark.parametrize("rest", [b"", b"home/../x 1", b"home/fc-a/1.1.a.0.zz 5", b"\xff 1", b"/etc/passwd 3"])
    def test_what_only_begins_like_a_reference_names_no_blob(self, rest: bytes) -> None:
        assert StoredPayload(MARKER + rest).name is None
        assert StoredPayload(MARKER + rest).size in (0, 1, 3, 5)

    @pytest.mark.parametrize("call_id", ["fc-..", "fc-a/b", "..", "fc-", "fc-" + "a" * 101, "fc-a b", "x", "fc-a\n"])
    def test_calls_whose_ids_somebody_made_up_name_no_blobs(self, call_id: str) -> None:
        assert not may_name(call_id)
