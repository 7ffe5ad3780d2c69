"""The contract of `motet.store.state.StateStore`: inherit `StateStoreContract` and give it an `opened_state` fixture."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from motet.store.state import MAX_PAGE, MAX_PAGE_BYTES, StateStore

OpenedState = Callable[[], StateStore]
"""Opens the same store as before, as the next server does; it is closed at the end of the test."""

BIG = 1 << 62
"""A principal's number may be as large."""


class StateStoreContract:
    def test_what_was_put_is_there_for_the_next_server(self, opened_state: OpenedState) -> None:
        store = opened_state()
        with store.turn() as rows:
            made = rows.make("di-name-a", BIG, 5.5)
            assert rows.put(made.number, [(b"k", b"v"), (b"", b"\x00'$?%s")], False) == (2, 2 + 6)
        store.close()
        with opened_state().turn() as rows:
            found = rows.find("di-name-a")
            assert found is not None
            assert (found.principal, found.made_at, found.entries, found.size) == (BIG, 5.5, 2, 8)
            assert (rows.get(found.number, b"k"), rows.get(found.number, b"")) == (b"v", b"\x00'$?%s")
            assert rows.find("di-name-b") is None
            assert rows.sizes() == {BIG: 8}

    def test_what_raises_leaves_nothing(self, opened_state: OpenedState) -> None:
        store = opened_state()
        with store.turn() as rows:
            number = rows.make("di-name-a", 0, 1.0).number
        with contextlib.suppress(LookupError), store.turn() as rows:
            rows.put(number, [(b"k", b"v")], False)
            rows.make("di-name-b", 0, 1.0)
            raise LookupError
        with store.turn() as rows:
            found = rows.find("di-name-a")
            assert found is not None
            assert (found.entries, found.size, rows.has(number, b"k"), rows.find("di-name-b")) == (0, 0, False, None)

    def test_counts_follow_what_is_put_replaced_and_removed(self, opened_state: OpenedState) -> None:
        with opened_state().turn() as rows:
            number = rows.make("di-name-a", 0, 1.0).number
            other = rows.make("di-name-b", 0, 1.0).number
            rows.put(other, [(b"k", b"other")], False)
            assert rows.put(number, [(b"k", b"12")], False) == (1, 3)
            assert rows.put(number, [(b"k", b"1234")], True) == (0, 0)
            assert rows.put(number, [(b"k", b"1234"), (b"l", b"")], False) == (2, 3)
            assert (rows.pop(number, b"k"), rows.pop(number, b"k")) == (b"1234", None)
            found = rows.find("di-name-a")
            assert found is not None
            assert (found.entries, found.size) == (1, 1)
            rows.clear(number)
            cleared = rows.find("di-name-a")
            assert cleared is not None
            assert (cleared.entries, cleared.size, rows.get(other, b"k")) == (0, 0, b"other")
            rows.remove(cleared)
            assert rows.find("di-name-a") is None

    def test_names_are_listed_by_how_they_begin(self, opened_state: OpenedState) -> None:
        with opened_state().turn() as rows:
            for name in ("di-name-b", "di-name-A", "di-env-x/a", "di-env-x%/a", "di-env-xy/a", "se-name-a"):
                rows.make(name, 0, 1.0)
            assert [each.state_id for each in rows.listed("di-name-")] == ["di-name-A", "di-name-b"]
            assert [each.state_id for each in rows.listed("di-env-x/")] == ["di-env-x/a"]
            assert len(rows.listed("di-")) == 5
            assert [rows.count(prefix) for prefix in ("di-", "di-env-x/", "qu-")] == [5, 1, 0]

    def test_pages_have_each_key_once_however_large_the_values(self, opened_state: OpenedState) -> None:
        with opened_state().turn() as rows:
            number = rows.make("di-name-a", 0, 1.0).number
            large = {b"large%d" % index: bytes(MAX_PAGE_BYTES // 2) for index in range(3)}
            entries = {b"%d" % index: b"v%d" % index for index in range(MAX_PAGE + 5)} | large
            rows.put(number, list(entries.items()), False)
            found: list[tuple[bytes, bytes]] = []
            after, pages = b"", 0
            while pages == 0 or after:
                page, after = rows.page(number, after, True, True)
                assert len(page) <= MAX_PAGE
                found += page
                pages += 1
            assert len(found) == len(entries)
            assert dict(found) == entries
            keys, following = rows.page(number, b"", True, False)
            assert (len(keys), bool(following), {value for _, value in keys}) == (MAX_PAGE, True, {b""})
            rows.clear(number)
            assert rows.page(number, b"", True, True) == ([], b"")

    def test_a_key_may_be_longer_than_an_index_takes(self, opened_state: OpenedState) -> None:
        with opened_state().turn() as rows:
            number = rows.make("di-name-a", 0, 1.0).number
            long = bytes(range(256)) * 1000
            rows.put(number, [(long, b"1"), (long + b"x", b"2")], False)
            assert (rows.get(number, long), rows.get(number, long + b"x")) == (b"1", b"2")
