"""Backups of a server's directory: made while it is written to, given back whole or not at all."""

from __future__ import annotations

import io
import sqlite3
import tarfile
from pathlib import Path

import msgspec
import pytest

from motet.errors import AlreadyExistsError, NotFoundError, ServiceError
from motet.model.bundle import BundleFile, Manifest, digest_of
from motet.model.outcome import InputEnd, NewInput, OutcomeKind
from motet.store.base import BackupInfo, KeptToken
from motet.store.bundles import BundleDirectory
from motet.store.home_backup import BACKUP_FORMAT, back_up, check, restore
from motet.store.journal import CallMade, InputsAdded, InputsEnded, KeptCall
from motet.store.journal_sqlite import SqliteJournal
from motet.store.server_home import HOME_FORMAT, ServerHome
from motet.store.sqlite_deployments import SqliteDeployments
from motet.store.tokens import TokenFile

TOKEN = KeptToken("ada", "0123", ("call",), 100.0)
AT = 1_700_000_000.0


def call(name: str) -> KeptCall:
    return KeptCall(name, "shop", "fu-1", "", 7, 100.0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """That of a server which has ended, with a token and a call of two inputs, of which one has ended."""
    place = tmp_path / "home" / "server"
    ServerHome.take(place).close()
    TokenFile(place / "tokens.json").save([TOKEN])
    journal = SqliteJournal(place / "journal.db")
    journal.keep([CallMade(call("fc-1")), InputsAdded("fc-1", [NewInput(0, b"zero"), NewInput(1, b"one")], 101.0)])
    journal.keep([InputsEnded("fc-1", [InputEnd(0, OutcomeKind.SUCCESS, b"done")], 102.0)])
    journal.close()
    for log in ("agent.log", "agent.log.1"):
        (place / log).write_text("of its process")
    (place / "containers").mkdir()
    (place / "containers" / "ta-1").write_text("of its process")
    return place


def names(backup: Path) -> set[str]:
    with tarfile.open(backup) as archive:
        return set(archive.getnames())


def changed(backup: Path, target: Path, **members: bytes) -> Path:
    """The same with other content of some members, and further ones."""
    with tarfile.open(backup) as old, tarfile.open(target, "w") as new:
        for member in old:
            found = old.extractfile(member)
            assert found is not None
            content = members.pop(member.name, None)
            content = found.read() if content is None else content
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return target


def test_what_a_server_kept_is_there_again(directory: Path, tmp_path: Path) -> None:
    assert back_up(directory, tmp_path / "backup", AT).made_at == AT
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path / "backup") == {"backup.json", "format.json", "tokens.json", "journal.db"}
    there = tmp_path / "elsewhere" / "server"
    assert restore(tmp_path / "backup", there) == BackupInfo(
        BACKUP_FORMAT, HOME_FORMAT, msgspec.json.decode((there / "format.json").read_bytes())["motet"], AT
    )
    assert all(path.stat().st_mode & 0o077 == 0 for path in (there, *there.iterdir()))
    ServerHome.take(there).close()
    assert TokenFile(there / "tokens.json").load() == [TOKEN]
    journal = SqliteJournal(there / "journal.db")
    try:
        assert journal.outcomes("fc-1", 0, 9) == [InputEnd(0, OutcomeKind.SUCCESS, b"done")]
        assert [[it.index for it in part.inputs] for part in journal.unfinished()] == [[1]]
        assert journal.payloads([("fc-1", 1)]) == [b"one"]
        assert journal.term > 1
    finally:
        journal.close()


def test_it_has_what_was_committed_while_a_server_writes_to_it(directory: Path, tmp_path: Path) -> None:
    home = ServerHome.take(directory)
    journal = SqliteJournal(directory / "journal.db")
    try:
        journal.keep([CallMade(call("fc-2")), InputsAdded("fc-2", [NewInput(0, b"x")], 103.0)])
        back_up(directory, tmp_path / "backup", AT)
        # The writer was not held up, and nothing that it does later is in it.
        journal.keep([InputsEnded("fc-2", [InputEnd(0, OutcomeKind.SUCCESS, b"y")], 104.0)])
        assert journal.check() == []
    finally:
        journal.close()
        home.close()
    restore(tmp_path / "backup", tmp_path / "other" / "server")
    copy = SqliteJournal(tmp_path / "other" / "server" / "journal.db")
    try:
        assert [part.call.call_id for part in copy.unfinished()] == ["fc-1", "fc-2"]
    finally:
        copy.close()


def test_source_of_versions_is_in_it_but_not_what_was_placed_of_it(directory: Path, tmp_path: Path) -> None:
    bundles = BundleDirectory(directory / "bundles")
    content = b"print()"
    digest = digest_of(content)
    manifest = Manifest((BundleFile("lib/one.py", digest, len(content)),))
    bundles.offer(manifest)
    bundles.put({digest: content})
    placed = bundles.place(manifest.digest)
    back_up(directory, tmp_path / "backup", AT)
    assert not any("trees" in name for name in names(tmp_path / "backup"))
    restore(tmp_path / "backup", tmp_path / "other" / "server")
    again = BundleDirectory(tmp_path / "other" / "server" / "bundles").place(manifest.digest)
    assert again != placed
    assert (again / "lib" / "one.py").read_bytes() == content


def test_no_backup_is_written_over_another_file(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("dear")
    with pytest.raises(AlreadyExistsError, match="backup is there already"):
        back_up(directory, tmp_path / "backup", AT)
    assert (tmp_path / "backup").read_text() == "dear"


def test_there_is_no_file_where_it_could_not_be_written(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has nothing of a server"):
        back_up(tmp_path / "nothing", tmp_path / "backup", AT)
    with pytest.raises(ServiceError, match="No such file"):
        back_up(directory, tmp_path / "missing" / "backup", AT)
    (directory / "deployments.db").write_bytes(b"no database of anybody, but long enough to be read as one" * 99)
    with pytest.raises(ServiceError, match=r"cannot copy .*deployments\.db: file is not a database"):
        back_up(directory, tmp_path / "backup", AT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    assert not [path for path in directory.parent.iterdir() if path.name.startswith(".")]


def test_nothing_is_restored_over_a_server(directory: Path, tmp_path: Path) -> None:
    back_up(directory, tmp_path / "backup", AT)
    with pytest.raises(AlreadyExistsError, match="has the state of a server, which would be lost"):
        restore(tmp_path / "backup", directory)
    home = ServerHome.take(directory)
    try:
        with pytest.raises(AlreadyExistsError, match=r"a server has .*: process \d+"):
            restore(tmp_path / "backup", directory)
    finally:
        home.close()


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"journal.db": b"SQLite format 3\0" + bytes(8000)}, r"journal\.db in it is damaged"),
        ({"../outside": b""}, r"'\.\./outside' cannot be in a backup"),
        ({"/tmp/outside": b""}, "cannot be in a backup"),
        ({"backup.json": b"{"}, "does not say what it is"),
        (
            {"backup.json": msgspec.json.encode(BackupInfo(BACKUP_FORMAT + 1, HOME_FORMAT, "9.0", AT))},
            r"made by Motet 9\.0 .* Restore it with that one",
        ),
        (
            {"backup.json": msgspec.json.encode(BackupInfo(BACKUP_FORMAT, HOME_FORMAT + 1, "9.0", AT))},
            r"made by Motet 9\.0",
        ),
    ],
)
def test_what_is_wrong_with_a_backup_is_told_and_nothing_restored(
    members: dict[str, bytes], said: str, directory: Path, tmp_path: Path
) -> None:
    back_up(directory, tmp_path / "whole", AT)
    there = tmp_path / "other" / "server"
    with pytest.raises(ServiceError, match=said):
        restore(changed(tmp_path / "whole", tmp_path / "backup", **members), there)
    assert list(there.parent.iterdir()) == []


def test_a_file_that_is_no_backup_or_ends_early_is_told(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        restore(tmp_path / "none", tmp_path / "other" / "server")
    (tmp_path / "text").write_text("no archive" * 999)
    with pytest.raises(ServiceError, match="is damaged, or no backup"):
        restore(tmp_path / "text", tmp_path / "other" / "server")
    with tarfile.open(tmp_path / "strange", "w") as archive:
        archive.add(directory / "tokens.json", "tokens.json")
    with pytest.raises(ServiceError, match="is no backup of"):
        restore(tmp_path / "strange", tmp_path / "other" / "server")
    back_up(directory, tmp_path / "whole", AT)
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "half").write_bytes(content[: len(content) // 2])
    with pytest.raises(ServiceError):
        restore(tmp_path / "half", tmp_path / "other" / "server")
    assert list((tmp_path / "other").iterdir()) == []


def test_each_database_is_looked_through(directory: Path, tmp_path: Path) -> None:
    assert check(directory) == {"journal.db": [], "blobs": []}
    path = directory / "deployments.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t(x)")
        connection.executemany("INSERT INTO t VALUES(?)", [(bytes(2000),)] * 50)
    connection.close()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 8192)
    found = check(directory)
    assert found["journal.db"] == []
    assert found["deployments.db"]
    with pytest.raises(NotFoundError, match="has no database of a server"):
        check(tmp_path / "nothing")


def test_a_check_tells_of_a_database_that_a_newer_motet_has_written(tmp_path: Path) -> None:
    path = tmp_path / "deployments.db"
    SqliteDeployments(path).close()
    assert check(tmp_path) == {"deployments.db": []}
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1002")
    connection.close()
    ((wrong,),) = check(tmp_path).values()
    assert wrong.startswith(f"{path} was written by a newer Motet (format 1002")
