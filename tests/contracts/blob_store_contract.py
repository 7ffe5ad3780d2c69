"""The contract of `motet.store.blobs.BlobStore`: inherit `BlobStoreContract` and give it a `store` fixture, an empty store."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from motet.errors import NotFoundError
from motet.store.blobs import BlobStore

LARGE = 6 * 2**20
"""More than one request of object storage takes."""


def names(store: BlobStore, below: str = "") -> list[str]:
    return sorted(found.name for found in store.find(below))


class BlobStoreContract:
    def test_what_was_put_is_there_as_it_was(self, store: BlobStore) -> None:
        large = os.urandom(LARGE)
        store.put("home/fc-a/1.1.a.0.aa", b"first")
        store.put("home/fc-a/1.2.r.-1.bb", b"")
        store.put("home/fc-b/1.3.a.0.cc", large)
        assert store.get("home/fc-a/1.1.a.0.aa") == b"first"
        assert store.get("home/fc-a/1.2.r.-1.bb") == b""
        assert store.get("home/fc-b/1.3.a.0.cc") == large

    def test_the_same_put_once_more_changes_nothing(self, store: BlobStore) -> None:
        store.put("home/fc-a/1.1.a.0.aa", b"same")
        store.put("home/fc-a/1.1.a.0.aa", b"same")
        assert store.get("home/fc-a/1.1.a.0.aa") == b"same"
        assert len(names(store)) == 1

    def test_what_is_not_there_is_said_not_to_be(self, store: BlobStore) -> None:
        with pytest.raises(NotFoundError):
            store.get("home/fc-a/1.1.a.0.aa")
        store.put("home/fc-a/1.1.a.0.aa", b"one")
        with pytest.raises(NotFoundError):
            store.get("home/fc-a/1.1.a.0.ab")
        with pytest.raises(NotFoundError):
            store.get("home/fc-a")

    def test_each_is_found_with_its_size_and_those_below_a_name_alone(self, store: BlobStore) -> None:
        assert list(store.find()) == []
        assert list(store.find("home/fc-a")) == []
        store.put("home/fc-a/one", b"1")
        store.put("home/fc-a/two", b"22")
        store.put("home/fc-ab/three", b"333")
        store.put("other/fc-a/four", b"4444")
        found = {each.name: each for each in store.find()}
        assert {name: each.size for name, each in found.items()} == {
            "home/fc-a/one": 1,
            "home/fc-a/two": 2,
            "home/fc-ab/three": 3,
            "other/fc-a/four": 4,
        }
        assert names(store, "home/fc-a") == ["home/fc-a/one", "home/fc-a/two"]
        assert names(store, "home") == ["home/fc-a/one", "home/fc-a/two", "home/fc-ab/three"]
        assert names(store, "hom") == []

    def test_those_that_are_deleted_are_gone_and_the_others_are_not(self, store: BlobStore) -> None:
        for each in ("home/fc-a/one", "home/fc-a/two", "home/fc-b/three"):
            store.put(each, each.encode())
        assert store.delete(["home/fc-a/one", "home/fc-b/three", "home/fc-c/never"]) == 0
        assert names(store) == ["home/fc-a/two"]
        store.erase(["home/fc-a/two", "home/fc-a/two"])
        assert names(store) == []
        store.erase([])
        store.put("home/fc-a/one", b"again")
        assert store.get("home/fc-a/one") == b"again"

    def test_threads_put_and_delete_beside_each_other(self, store: BlobStore) -> None:
        together = threading.Barrier(4)

        def work(number: int) -> None:
            together.wait(30)
            for each in range(8):
                store.put(f"home/fc-a/{number}.{each}", bytes([number, each]))
                assert store.get(f"home/fc-a/{number}.{each}") == bytes([number, each])
                if each:
                    store.delete([f"home/fc-a/{number}.{each}"])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        assert names(store) == [f"home/fc-a/{number}.0" for number in range(4)]
