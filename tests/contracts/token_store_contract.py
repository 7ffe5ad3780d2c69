"""The contract of `motet.store.base.TokenStore`: inherit `TokenStoreContract` and give it an `opened` fixture."""

from __future__ import annotations

from collections.abc import Callable

from motet.store.base import KeptToken, TokenStore

OpenedTokens = Callable[[], TokenStore]
"""Opens the same store as before, as the next server does."""

FIRST = KeptToken("first", "a" * 64, ("call", "look"), 1.5, 99.5, 7.25, "p1", ("inputs=3",))
SECOND = KeptToken("zweiter-é", "b" * 64, (), 2.0)


class TokenStoreContract:
    def test_that_none_were_ever_kept_is_another_thing_than_that_none_are_left(self, opened: OpenedTokens) -> None:
        store = opened()
        assert store.load() is None
        store.save([FIRST])
        store.save([])
        assert opened().load() == []

    def test_those_that_were_saved_last_are_there_for_the_next_server_and_no_others(self, opened: OpenedTokens) -> None:
        store = opened()
        store.save([FIRST])
        store.save([SECOND, FIRST])
        assert opened().load() == [SECOND, FIRST]
        opened().save([SECOND])
        assert store.load() == [SECOND]
