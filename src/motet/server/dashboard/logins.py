"""Who is let in to the dashboard: whoever has a code that somebody was just given, or shows a token, and then whoever has the
cookie for it.

A code is good once and for a minute: it is in a URL, and so in terminals, histories and logs. A token never is. The cookie is
good until the server ends, who has it logs out, or the token expires or is revoked. None of them is kept here in a form that
lets anybody in.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from motet.errors import ConnectionError
from motet.server.access.door import Principal
from motet.server.access.rights import EVERYTHING
from motet.server.access.tokens import OPERATOR

CODE_SECONDS = 60.0
MOST_CODES = 100
MOST_SESSIONS = 1000

OWNER = Principal(OPERATOR, EVERYTHING)
"""The user whose server it is."""

V = TypeVar("V")


def _nobody(token: str) -> Principal:
    raise ConnectionError("this dashboard takes no tokens: `motet dashboard` prints a URL that lets one browser in")


class Login:
    """A browser that was let in, as a principal; and what is being answered to it."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.answering: set[asyncio.Task[None]] = set()

    def end(self) -> None:
        """Nothing is answered any more."""
        for task in list(self.answering):
            task.cancel()


class Logins:
    """Codes that were given out, and sessions that were begun with them; the oldest go when there are very many. `clock` is
    one that does not go back; `admit` says whom a token speaks for, or raises `ConnectionError`."""

    def __init__(
        self,
        clock: Callable[[], float],
        admit: Callable[[str], Principal] = _nobody,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._admit = admit
        self._wall = wall
        self.takes_tokens = admit is not _nobody
        self._codes: dict[bytes, tuple[float, Principal]] = {}
        self._sessions: dict[bytes, Login] = {}

    def new_code(self, principal: Principal = OWNER) -> str:
        """A code for one login within `CODE_SECONDS`, as this principal."""
        code = secrets.token_urlsafe(24)
        _make_room(self._codes, MOST_CODES)
        self._codes[_digest(code)] = self._clock() + CODE_SECONDS, principal
        return code

    def exchange(self, code: str) -> str | None:
        """The token of a new session, if the code is good; it is not from now on."""
        deadline, principal = self._codes.pop(_digest(code), (0.0, OWNER))
        return None if self._clock() > deadline else self._begin(principal)

    def log_in(self, token: str) -> str:
        """The token of a new session, for whoever shows a token of the server's. Raises `ConnectionError`."""
        return self._begin(self._admit(token))

    def find(self, token: str) -> Login | None:
        """The session that has this token, if it may go on."""
        digest = _digest(token)
        login = self._sessions.get(digest)
        if login is not None and not self.goes_on(login):
            del self._sessions[digest]
            return None
        return login

    def goes_on(self, login: Login) -> bool:
        """Whether somebody may stay, as far as time says."""
        until = login.principal.until
        return until is None or self._wall() < until

    def log_out(self, token: str) -> None:
        """It is no session's from now on. Idempotent."""
        if (login := self._sessions.pop(_digest(token), None)) is not None:
            login.end()

    def cut_off(self, name: str) -> None:
        """Whoever came in by this principal's name is out, and so are codes for it."""
        for code in [code for code, (_, principal) in self._codes.items() if principal.name == name]:
            del self._codes[code]
        for digest in [digest for digest, login in self._sessions.items() if login.principal.name == name]:
            self._sessions.pop(digest).end()

    def _begin(self, principal: Principal) -> str:
        token = secrets.token_urlsafe(32)
        _make_room(self._sessions, MOST_SESSIONS)
        self._sessions[_digest(token)] = Login(principal)
        return token


def _make_room(kept: dict[bytes, V], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]


def _digest(secret: str) -> bytes:
    # What is looked up says nothing of the secrets by the time that it takes.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
