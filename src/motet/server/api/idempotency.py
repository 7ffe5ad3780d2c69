"""Requests that may come twice: whose key was used before is the same call, and not another one."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from motet.server.api.problems import Problem

KEEP_SECONDS = 24 * 3600.0
MOST = 100_000
"""Keys that are remembered at a time: the oldest goes for a newer one."""
MAX_KEY = 255


class IdempotencyKeys:
    """Those of a server, for as long as it runs. `clock`: seconds of the wall clock."""

    def __init__(self, clock: Callable[[], float], most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._used: OrderedDict[bytes, tuple[float, str, bytes]] = OrderedDict()

    def call_of(self, principal: str, key: str, call_id: str, *request: bytes) -> str:
        """The id of the call that a principal has made with this key; it is `call_id` if it is to be made now. `request`: what
        makes it that call. Raises `Problem` if the key was used for another one."""
        if not 0 < len(key) <= MAX_KEY or not key.isprintable():
            raise Problem(
                "bad-request", f"Idempotency-Key: has {len(key)} characters; it may be text of 1 to {MAX_KEY}"
            )
        now = self._clock()
        while self._used and (len(self._used) > self._most or next(iter(self._used.values()))[0] < now - KEEP_SECONDS):
            self._used.popitem(last=False)
        name = _digest(principal.encode(), key.encode())
        digest = _digest(*request)
        if (known := self._used.get(name)) is not None:
            if known[2] != digest:
                raise Problem(
                    "key-reused",
                    f"Idempotency-Key: {key!r} was used for another request; a new request needs a new key",
                    call_id=known[1],
                )
            return known[1]
        self._used[name] = (now, call_id, digest)
        return call_id

    def forget(self, principal: str, key: str) -> None:
        """The call could not be made: the key is free."""
        self._used.pop(_digest(principal.encode(), key.encode()), None)


def _digest(*parts: bytes) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8))
        found.update(part)
    return found.digest()
