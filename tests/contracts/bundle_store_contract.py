"""The contract of `motet.store.base.BundleStore`: inherit `BundleStoreContract` and give it the fixtures `store`, and `expire`,
which has all claims of before be over."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from motet.errors import InvalidError, NotFoundError
from motet.model.bundle import BundleFile, Manifest, digest_of
from motet.store.base import BundleStore

SHOP = {"work/shop.py": b"import prices\n", "work/prices/__init__.py": b"", "lib/1/tools.py": b"import prices\n"}


def manifest_of(files: dict[str, bytes], executable: str = "") -> Manifest:
    return Manifest(BundleFile(path, digest_of(data), len(data), path == executable) for path, data in files.items())


def keep(store: BundleStore, files: dict[str, bytes], executable: str = "") -> Path:
    """What a deployment does; where its bundle is."""
    manifest = manifest_of(files, executable)
    lacking = set(store.offer(manifest))
    store.put({digest: data for data in files.values() if (digest := digest_of(data)) in lacking})
    return store.place(manifest.digest)


def contents(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


class BundleStoreContract:
    def test_a_bundle_is_what_was_sent_and_can_not_be_written(self, store: BundleStore) -> None:
        tree = keep(store, {**SHOP, "work/run.sh": b"#!/bin/sh\n"}, executable="work/run.sh")
        assert contents(tree) == {**SHOP, "work/run.sh": b"#!/bin/sh\n"}
        modes = {str(path.relative_to(tree)): stat.S_IMODE(path.lstat().st_mode) for path in [tree, *tree.rglob("*")]}
        assert {mode for path, mode in modes.items() if path in SHOP} == {0o444}
        read_only = (".", "work", "work/prices", "lib", "lib/1", "work/run.sh")
        assert {modes[path] for path in read_only} == {0o555}

    def test_only_what_is_lacking_is_asked_for(self, store: BundleStore) -> None:
        manifest = manifest_of(SHOP)
        assert sorted(store.offer(manifest)) == sorted({digest_of(data) for data in SHOP.values()})
        store.put({digest_of(b""): b""})
        assert store.offer(manifest) == [digest_of(b"import prices\n")]
        keep(store, SHOP)
        changed = {**SHOP, "work/shop.py": b"import prices, sys\n"}
        assert store.offer(manifest_of(changed)) == [digest_of(b"import prices, sys\n")]

    def test_a_bundle_that_is_wrong_about_a_piece_is_refused(self, store: BundleStore) -> None:
        keep(store, SHOP)
        wrong = Manifest([BundleFile("work/a.py", digest_of(b"import prices\n"), 3)])
        with pytest.raises(InvalidError, match=r"has 14 bytes, and not 3, as the bundle says"):
            store.offer(wrong)

    def test_a_bundle_of_which_pieces_are_lacking_cannot_be_used(self, store: BundleStore) -> None:
        manifest = manifest_of(SHOP)
        with pytest.raises(NotFoundError, match=f"has no bundle {manifest.digest}: deploy again"):
            store.place(manifest.digest)
        store.offer(manifest)
        with pytest.raises(NotFoundError, match=r"lacks 2 of 2 pieces of bundle .*: deploy again"):
            store.place(manifest.digest)

    def test_a_piece_that_is_another_one_is_not_kept_and_neither_is_what_came_with_it(self, store: BundleStore) -> None:
        manifest = manifest_of(SHOP)
        store.offer(manifest)
        with pytest.raises(InvalidError, match=r"was sent as .*, and is .*: it is not kept"):
            store.put({digest_of(b""): b"", digest_of(b"import prices\n"): b"import evil\n"})
        assert len(store.offer(manifest)) == 2

    def test_what_nobody_needs_goes_and_what_is_needed_stays(
        self, store: BundleStore, expire: Callable[[], None]
    ) -> None:
        more = b"more = 1\n" * 1000
        one, other = keep(store, SHOP), keep(store, {**SHOP, "work/more.py": more})
        expire()
        would = store.prune({one.name}, dry_run=True)
        freed = store.prune({one.name})
        assert (would.bundles, freed.bundles) == (1, 1)
        assert freed.size >= 9000
        assert not other.exists()
        assert contents(one) == SHOP
        assert store.offer(manifest_of({**SHOP, "a": more})) == [digest_of(more)]
        assert contents(store.place(one.name)) == SHOP
        expire()
        assert store.prune(()).bundles == 2
        assert list(one.parents[1].rglob("*/*")) == []
        assert sorted(store.offer(manifest_of(SHOP))) == sorted({digest_of(data) for data in SHOP.values()})

    def test_what_is_just_being_deployed_stays(self, store: BundleStore) -> None:
        manifest = manifest_of(SHOP)
        store.offer(manifest)
        store.put({digest_of(data): data for data in SHOP.values()})
        assert store.prune(()) == (0, 0)
        assert contents(store.place(manifest.digest)) == SHOP

    def test_many_may_deploy_the_same_at_once(self, store: BundleStore) -> None:
        barrier = threading.Barrier(8)

        def deploy(number: int) -> Path:
            barrier.wait()
            return keep(store, SHOP if number % 2 else {**SHOP, "work/more.py": b"more = 1\n"})

        with ThreadPoolExecutor(8) as threads:
            trees = list(threads.map(deploy, range(8)))
        assert len(set(trees)) == 2
        assert contents(trees[1]) == SHOP
