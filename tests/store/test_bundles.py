"""Bundles on disk: whole or not there, shared where they are the same, and gone when nobody needs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from motet.errors import NotFoundError, ServiceError
from motet.model.bundle import digest_of
from motet.store import bundles
from motet.store.bundles import CLAIM_SECONDS, BundleDirectory
from tests.contracts.bundle_store_contract import SHOP, BundleStoreContract, contents, keep, manifest_of


@pytest.fixture
def moment() -> list[float]:
    """The one that it is now, for the store."""
    return [1000.0]


@pytest.fixture
def store(tmp_path: Path, moment: list[float]) -> BundleDirectory:
    return BundleDirectory(tmp_path / "bundles", lambda: moment[0])


@pytest.fixture
def expire(moment: list[float]) -> Callable[[], None]:
    def later() -> None:
        moment[0] += CLAIM_SECONDS + 1

    return later


class TestBundleDirectory(BundleStoreContract):
    pass


def test_bundles_share_their_pieces(store: BundleDirectory) -> None:
    one, other = keep(store, SHOP), keep(store, {**SHOP, "work/more.py": b"more = 1\n"})
    assert (one / "work/shop.py").stat().st_ino == (other / "lib/1/tools.py").stat().st_ino


def test_what_a_backup_gives_back_is_readable_by_users_of_apps(store: BundleDirectory, tmp_path: Path) -> None:
    tree = keep(store, SHOP)
    digest = tree.name
    for path in (tmp_path / "bundles/pieces").iterdir():
        path.chmod(0o600)
    again = BundleDirectory(tmp_path / "bundles", lambda: 1000.0).place(digest)
    assert {path.stat().st_mode & 0o666 for path in again.rglob("*") if path.is_file()} == {0o444}


@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename", "link", "chmod"])
def test_what_is_interrupted_at_any_step_is_never_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """At each call of each step in turn: as when the process is killed there, and another one comes after it."""

    class Killed(BaseException):
        pass

    for count in range(100):
        directory = tmp_path / str(count)
        left = [count]
        with monkeypatch.context() as patch:
            owner = Path if step == "rename" else os
            real = getattr(owner, step)

            def kill(*args: object, left: list[int] = left, real: object = real, **kwargs: object) -> object:
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                return real(*args, **kwargs)  # type: ignore[operator]

            patch.setattr(owner, step, kill)
            if step == "write":  # a part of it has been written then
                patch.setattr(os, "write", lambda fd, data, kill=kill: kill(fd, data[:5]))
            try:
                keep(BundleDirectory(directory), SHOP)
                survived = True
            except Killed:
                survived = False
        store = BundleDirectory(directory)
        for name in os.listdir(directory / "pieces") if (directory / "pieces").exists() else []:
            assert digest_of((directory / "pieces" / name).read_bytes()) == name
        assert contents(keep(store, SHOP)) == SHOP
        assert os.listdir(directory / "incoming") == []
        if survived:
            assert count > 0
            return
    pytest.fail("it never came to an end")


def test_a_tree_that_is_not_as_it_should_be_is_made_anew_by_the_next_server(
    store: BundleDirectory, tmp_path: Path
) -> None:
    tree = keep(store, SHOP)
    for path in tree.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    (tree / "work/shop.py").unlink()
    (tree / "lib/1/tools.py").unlink()
    (tree / "lib/1/tools.py").symlink_to("/etc/passwd")
    assert contents(BundleDirectory(tmp_path / "bundles").place(tree.name)) == SHOP


def test_a_piece_that_code_has_written_into_is_not_used_again(store: BundleDirectory) -> None:
    """Containers run as the server's user; as root nothing keeps them from it."""
    file = keep(store, SHOP) / "work/shop.py"
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.write(b"import others\n")
    file.chmod(0o444)
    assert store.offer(manifest_of(SHOP)) == [digest_of(b"import prices\n")]
    assert contents(keep(store, {**SHOP, "work/more.py": b""}))["work/shop.py"] == b"import prices\n"


@pytest.mark.parametrize("harm", ["write", "add", "link", "open"])
def test_a_tree_that_code_has_changed_is_made_anew_before_another_version_uses_it(
    store: BundleDirectory, harm: str
) -> None:
    tree = keep(store, SHOP)
    file = tree / "work/shop.py"
    was = file.stat()
    file.parent.chmod(0o755)
    if harm == "write":  # and hide it
        file.chmod(0o644)
        file.write_bytes(b"import OTHERS\n")
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        file.chmod(0o444)
    elif harm == "add":
        (tree / "work/json.py").write_text("")
    elif harm == "link":
        file.unlink()
        file.symlink_to("/etc/passwd")
    if harm != "open":
        file.parent.chmod(0o555)
    if harm == "write":  # the piece has the same content
        with pytest.raises(NotFoundError, match="lacks 1 of"):
            store.place(tree.name)
        keep(store, SHOP)
    assert contents(store.place(tree.name)) == SHOP
    assert not [path for path in tree.rglob("*") if path.stat().st_mode & 0o222]


def test_bytecode_that_python_wrote_as_root_is_left_alone(store: BundleDirectory) -> None:
    tree = keep(store, SHOP)
    (tree / "work").chmod(0o755)
    (tree / "work/__pycache__").mkdir()
    (tree / "work/__pycache__/shop.pyc").write_bytes(b"")
    (tree / "work").chmod(0o555)
    before = tree.stat().st_ino
    assert store.place(tree.name).stat().st_ino == before


def test_what_nobody_changed_is_not_read_again(store: BundleDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = keep(store, SHOP)
    read: list[bytes] = []
    monkeypatch.setattr(bundles, "digest_of", lambda data: read.append(data) or "")
    store.offer(manifest_of(SHOP))
    assert store.place(tree.name) == tree
    assert read == []


def test_a_piece_whose_moment_was_lost_is_looked_at_and_used(store: BundleDirectory, tmp_path: Path) -> None:
    keep(store, SHOP)
    for path in (tmp_path / "bundles/pieces").iterdir():
        os.utime(path, ns=(0, 10**18))
    assert store.offer(manifest_of(SHOP)) == []


def test_a_manifest_that_is_damaged_is_no_bundle(store: BundleDirectory, tmp_path: Path) -> None:
    digest = keep(store, SHOP).name
    manifest = tmp_path / "bundles/manifests" / digest
    whole = manifest.read_bytes()
    for damaged in (
        b"",
        whole[:-1],
        whole.replace(b"work/shop.py", b"work/shoq.py"),
        whole.replace(b"work/s", b"../../"),
    ):
        manifest.write_bytes(damaged)
        with pytest.raises(ServiceError, match=f"the bundle {digest} is damaged"):
            BundleDirectory(tmp_path / "bundles").place(digest)


def test_what_is_just_being_deployed_stays(store: BundleDirectory, moment: list[float]) -> None:
    tree = keep(store, SHOP)
    moment[0] += CLAIM_SECONDS - 1
    assert store.prune(()) == (0, 0)
    assert contents(store.place(tree.name)) == SHOP  # which is a use of it
    moment[0] += 2
    assert store.prune(()) == (0, 0)


def test_nothing_goes_while_it_is_not_known_what_is_needed(
    store: BundleDirectory, tmp_path: Path, moment: list[float]
) -> None:
    digest = keep(store, SHOP).name
    moment[0] += CLAIM_SECONDS + 1
    (tmp_path / "bundles/manifests" / digest).write_bytes(b"")
    with pytest.raises(ServiceError, match="damaged"):
        store.prune({digest})
    assert len(list((tmp_path / "bundles/pieces").iterdir())) == 2


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bundles").write_text("a file")
    with pytest.raises(
        ServiceError, match=rf"cannot keep bundles in {tmp_path / 'bundles'}: .*What runs is not affected"
    ):
        BundleDirectory(tmp_path / "bundles").offer(manifest_of(SHOP))


def test_a_full_disk_is_named_and_leaves_nothing(
    store: BundleDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.offer(manifest_of(SHOP))

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ServiceError, match="No space left on device"):
            store.put({digest_of(data): data for data in SHOP.values()})
    assert os.listdir(tmp_path / "bundles/incoming") == []
    assert contents(keep(store, SHOP)) == SHOP
