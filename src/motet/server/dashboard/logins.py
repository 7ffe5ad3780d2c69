"""Who is let in to the dashboard: whoever has a code that its owner was just given, and then whoever has the cookie for it.

A code is good once and for a minute: it is in a URL, and so in terminals, histories and logs. The cookie is good until the
server ends. Neither is kept here in a form that lets anybody in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

CODE_SECONDS = 60.0
MOST_CODES = 100
MOST_SESSIONS = 1000


class Logins:
    """Codes that were given out, and sessions that were begun with them; the oldest go when there are very many."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._codes: dict[bytes, float] = {}
        self._sessions: dict[bytes, None] = {}

    def new_code(self) -> str:
        """A code for one login within `CODE_SECONDS`."""
        code = secrets.token_urlsafe(24)
        _make_room(self._codes, MOST_CODES)
        self._codes[_digest(code)] = self._clock() + CODE_SECONDS
        return code

    def exchange(self, code: str) -> str | None:
        """The token of a new session, if the code is good; it is not from now on."""
        deadline = self._codes.pop(_digest(code), None)
        if deadline is None or self._clock() > deadline:
            return None
        token = secrets.token_urlsafe(32)
        _make_room(self._sessions, MOST_SESSIONS)
        self._sessions[_digest(token)] = None
        return token

    def knows(self, token: str) -> bool:
        """Whether this is the token of a session."""
        return _digest(token) in self._sessions


def _make_room(kept: dict[bytes, float] | dict[bytes, None], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]


def _digest(secret: str) -> bytes:
    # What is looked up says nothing of the secrets by the time that it takes.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
