"""Tokens: made once, kept as hashes, found by comparing, gone when they expire or are revoked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from motet.errors import AlreadyExistsError, InvalidError, NotFoundError, ServiceError
from motet.server.access.tokens import SAVE_INTERVAL, Tokens
from motet.store.base import KeptToken
from motet.store.tokens import TokenFile
from tests.contracts.token_store_contract import OpenedTokens, TokenStoreContract


class Kept:
    """A store in memory."""

    def __init__(self) -> None:
        self.tokens: list[KeptToken] | None = None
        self.saves = 0
        self.is_full = False

    def load(self) -> list[KeptToken] | None:
        return self.tokens

    def save(self, tokens: Sequence[KeptToken]) -> None:
        if self.is_full:
            raise ServiceError("no space left")
        self.tokens, self.saves = list(tokens), self.saves + 1


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_found_by_itself_alone_and_only_a_hash_of_it_is_kept() -> None:
    kept, time = Kept(), Time()
    tokens = Tokens(kept, time)
    assert tokens.is_new
    first, second = tokens.new("first", ("call", "call", "look")), tokens.new("second", ("administer",))
    assert first.startswith("motet_")
    assert len(first) > 40
    found = tokens.find(first)
    assert found is not None
    assert (found.name, found.rights, found.made_at) == ("first", ("call", "look"), 1000.0)
    assert tokens.find(first[:-1]) is tokens.find(found.hash) is tokens.find("") is None
    assert first not in repr(kept.tokens)
    again = Tokens(kept, time)
    assert not again.is_new
    assert (used := again.find(second)) is not None
    assert used.name == "second"


def test_what_has_expired_or_was_revoked_is_no_token_and_its_name_is_free() -> None:
    time = Time()
    tokens = Tokens(Kept(), time)
    short, other = tokens.new("short", ("call",), 10.0), tokens.new("other", ("call",))
    with pytest.raises(AlreadyExistsError, match="there is a token 'short' already"):
        tokens.new("short", ("call",))
    time.now = 1009.9
    assert tokens.find(short) is not None
    time.now = 1010.0
    assert tokens.find(short) is None
    assert tokens.find(tokens.new("short", ("call",))) is not None
    tokens.revoke("other")
    assert tokens.find(other) is None
    with pytest.raises(NotFoundError, match=r"there is no token 'other' \(there are: short\)"):
        tokens.revoke("other")


def test_last_use_is_known_at_once_and_kept_once_a_minute_at_most() -> None:
    kept, time = Kept(), Time()
    tokens = Tokens(kept, time)
    token = tokens.new("ci", ("call",))
    for seconds in (1.0, 2.0, SAVE_INTERVAL, SAVE_INTERVAL + 1):
        time.now = 1000.0 + seconds
        tokens.find(token)
        assert [each.last_used_at for each in tokens.all()] == [time.now]
    assert kept.saves == 2
    kept.is_full = True
    time.now += SAVE_INTERVAL
    assert tokens.find(token) is not None
    with pytest.raises(ServiceError):
        tokens.revoke("ci")
    assert tokens.find(token) is not None


def test_there_are_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.server.access.tokens.MAX_TOKENS", 2)
    tokens = Tokens(Kept(), Time())
    tokens.new("first", ("call",))
    tokens.new("second", ("call",))
    with pytest.raises(InvalidError, match="has 2 tokens, which are the most"):
        tokens.new("third", ("call",))


def test_where_there_are_as_many_as_may_be_one_that_has_expired_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("motet.server.access.tokens.MAX_TOKENS", 2)
    time = Time()
    tokens = Tokens(Kept(), time)
    tokens.new("first", ("call",), 10.0)
    tokens.new("second", ("call",), 10.0)
    time.now += 10.0
    tokens.new("first", ("call",))
    assert [each.name for each in tokens.all()] == ["second", "first"]
    tokens.new("third", ("call",))
    assert [each.name for each in tokens.all()] == ["first", "third"]


def test_a_use_that_is_kept_later_brings_back_nothing_that_was_revoked_meanwhile() -> None:
    kept, works = Kept(), list[Callable[[], None]]()
    time = Time()
    tokens = Tokens(kept, time, works.append)
    token = tokens.new("ci", ("call",))
    tokens.new("other", ("call",))
    time.now += SAVE_INTERVAL
    assert tokens.find(token) is not None
    assert [each.last_used_at for each in kept.tokens or ()] == [None, None]
    tokens.revoke("ci")
    (work,) = works
    work()
    assert [each.name for each in kept.tokens or ()] == ["other"]


@pytest.mark.parametrize(
    ("name", "rights", "lifetime", "message"),
    [
        ("", ("call",), None, "cannot be called ''"),
        ("a b", ("call",), None, "cannot be called 'a b'"),
        ("operator", ("call",), None, "that is the user"),
        ("ci", (), None, "no right is given; rights are administer, call, deploy, host, look, operate"),
        ("ci", ("serve",), None, "there is no right 'serve'"),
        ("ci", ("call",), 0.0, "cannot expire after 0 s"),
        ("ci", ("call",), float("nan"), "cannot expire after nan s"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    name: str, rights: tuple[str, ...], lifetime: float | None, message: str
) -> None:
    with pytest.raises(InvalidError, match=message):
        Tokens(Kept(), Time()).new(name, rights, lifetime)


def test_the_file_is_its_users_alone_and_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    assert file.load() is None
    tokens = Tokens(file, Time())
    token = tokens.new("ci", ("call",))
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert token not in (tmp_path / "tokens.json").read_text()
    assert Tokens(file, Time()).find(token) is not None
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(ServiceError, match=rf"cannot read the tokens of this server in {tmp_path}/tokens.json"):
        Tokens(file, Time())
    with pytest.raises(ServiceError, match="cannot write the tokens"):
        TokenFile(tmp_path / "nowhere" / "tokens.json").save([])


class TestTokenFile(TokenStoreContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> OpenedTokens:
        return lambda: TokenFile(tmp_path / "tokens.json")
