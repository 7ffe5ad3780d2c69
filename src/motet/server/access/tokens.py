"""The tokens of a server that stays: made, shown once, looked up, revoked."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable

import msgspec

from motet.errors import AlreadyExistsError, InvalidError, NotFoundError, ServiceError
from motet.model.quota import Quota
from motet.server.access.rights import named_rights
from motet.server.driver import logger
from motet.store.base import KeptToken, TokenStore
from motet.wire.server_proof import server_proof, token_digest, token_name

OPERATOR = "operator"
"""The principal that is the user a server runs as."""

PREFIX = "motet_"
MAX_TOKENS = 1000
"""All of them are compared with what is shown, and listed in one message."""

SAVE_INTERVAL = 60.0
"""Seconds between two moments of last use that are kept, at least."""

_BYTES = 32
Later = Callable[[Callable[[], None]], object]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Tokens:
    """All of a server's. A token is 256 random bits, of which a SHA-256 is kept: nobody guesses them, so nothing slower is
    needed. `now` is the wall clock; `later` has something done that may take a while, for who comes in need not wait for it.

    For one thread, but for what is done later. Raises `ServiceError` if those that are kept cannot be read.
    """

    def __init__(self, store: TokenStore, now: Callable[[], float], later: Later = lambda work: work()) -> None:
        self._store = store
        self._now = now
        self._later = later
        self._writing = threading.Lock()
        kept = store.load()
        self.is_new = kept is None
        """There never was one."""
        self._kept = {each.name: each for each in kept or ()}
        self._saved_at = float("-inf")

    def new(
        self, name: str, rights: tuple[str, ...], lifetime: float | None = None, limits: tuple[str, ...] = ()
    ) -> str:
        """A new token; one of this name that has expired makes room for it, and if there are very many, another that has. It
        speaks for nobody who was there before. Raises `AlreadyExistsError`, `InvalidError`, `ServiceError`."""
        if not _NAME.fullmatch(name):
            raise InvalidError(
                f"a token cannot be called {name!r}: names have 1 to 64 letters, digits, dots, dashes and underscores, and "
                "begin with a letter or digit"
            )
        if name == OPERATOR:
            raise InvalidError(f"a token cannot be called {name!r}: that is the user whom the server runs as")
        if lifetime is not None and not 0 < lifetime < float("inf"):
            raise InvalidError(f"a token cannot expire after {lifetime:g} s")
        named_rights(rights)
        limits = Quota.parse(limits, f"token {name}").texts()
        with self._writing:
            now = self._now()
            others = dict(self._kept)
            there = others.pop(name, None)
            if there is not None and not _has_expired(there, now):
                raise AlreadyExistsError(f"there is a token {name!r} already: revoke it first, or take another name")
            if len(others) >= MAX_TOKENS:
                spent = next((each.name for each in others.values() if _has_expired(each, now)), None)
                if spent is None:
                    raise InvalidError(f"this server has {MAX_TOKENS} tokens, which are the most: revoke some")
                del others[spent]
            token = PREFIX + secrets.token_urlsafe(_BYTES)
            expires_at = None if lifetime is None else now + lifetime
            unique = tuple(dict.fromkeys(rights))
            made = KeptToken(
                name, token_digest(token), unique, now, expires_at, principal=secrets.token_hex(8), limits=limits
            )
            self._save({**others, name: made})
        return token

    def find(self, token: str) -> KeptToken | None:
        """The one that this is, if it is one that may be used; it was used now."""
        now, hashed, kept = self._now(), token_digest(token).encode(), self._kept
        found = None
        for each in kept.values():  # all of them: how long it takes tells nothing
            if secrets.compare_digest(each.hash.encode(), hashed):
                found = each
        if found is None or _has_expired(found, now):
            return None
        # In the same dictionary: what was revoked meanwhile does not come back with it.
        used = kept[found.name] = msgspec.structs.replace(found, last_used_at=now)
        if now - self._saved_at >= SAVE_INTERVAL:
            self._saved_at = now
            self._later(self._save_uses)
        return used

    def prove(self, name: str, challenge: str, key: str) -> str:
        """That one of them is known here, to who calls it by its `token_name`; empty: none of them is called that."""
        for each in self._kept.values():
            if secrets.compare_digest(token_name(each.hash).encode(), name.encode("utf-8", "replace")):
                return "" if _has_expired(each, self._now()) else server_proof(each.hash, challenge, key)
        return ""

    def look_again(self) -> None:
        """Another server may have made some, or revoked them. Raises `ServiceError`."""
        self._kept = {each.name: each for each in self._store.load() or ()}

    def revoke(self, name: str) -> None:
        """It is none from now on. Raises `NotFoundError`, `ServiceError`."""
        with self._writing:
            if name not in self._kept:
                names = ", ".join(sorted(self._kept)) or "none"
                raise NotFoundError(f"there is no token {name!r} (there are: {names})")
            self._save({key: each for key, each in self._kept.items() if key != name})

    def all(self) -> list[KeptToken]:
        """Every one, the oldest first, those that have expired among them."""
        return sorted(self._kept.values(), key=lambda each: each.made_at)

    def _save(self, tokens: dict[str, KeptToken]) -> None:
        self._saved_at = self._now()
        self._store.save(list(tokens.values()))
        self._kept = tokens

    def _save_uses(self) -> None:
        with self._writing:  # those that there are by then
            try:
                self._store.save(list(self._kept.values()))
            except ServiceError:  # its owner came in all the same
                logger.exception("when a token was last used could not be kept")


def _has_expired(token: KeptToken, now: float) -> bool:
    return token.expires_at is not None and token.expires_at <= now
