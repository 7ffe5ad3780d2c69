"""Responses that take long: their clients were sent elsewhere, and come back for them there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qs

from motet.server.http.answers import Answer
from motet.server.http.calls import GONE, LEAVE_PATIENCE, WebCall

PARAMETER = "__motet_call_id"
"""Names, in the query of the URL that a client is sent to, the call whose response it comes for."""
MAX_PARKED = 1000
_MARK = f"{PARAMETER}=".encode()

WRONG_METHOD = Answer(405, "the response to a request is fetched with GET", ((b"allow", b"GET"),))


@dataclass(frozen=True, slots=True)
class _Entry:
    label: str
    call: WebCall
    expiry: asyncio.Task[None]


class Parked:
    """Calls that nobody waits for at the moment, at most `MAX_PARKED`.

    They run to their end, each at most a window ahead of its client. What nobody came for `keep` seconds after it began is
    dropped, and the call cancelled if it still runs.
    """

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._entries: dict[str, _Entry] = {}

    @property
    def full(self) -> bool:
        return len(self._entries) >= MAX_PARKED

    def put(self, label: str, call: WebCall) -> None:
        """Keep a call of the function with this label."""
        expiry = asyncio.get_running_loop().create_task(self._expire(call))
        self._entries[call.call_id] = _Entry(label, call, expiry)

    def take(self, label: str, call_id: str, method: str) -> WebCall | Answer:
        """The call that a request has come back for, or why there is none for it."""
        entry = self._entries.get(call_id)
        if entry is None or entry.label != label:
            return Answer(
                404,
                "there is no response for this URL: it has been fetched, another request waits for it, "
                f"or nobody came for it in {self._keep:g} s",
            )
        if (method == "HEAD") != (entry.call.method == "HEAD"):
            return WRONG_METHOD
        del self._entries[call_id]
        entry.expiry.cancel()
        return entry.call

    def close(self) -> None:
        """Drop all."""
        for entry in self._entries.values():
            entry.expiry.cancel()
            entry.call.close()
        self._entries.clear()

    async def _expire(self, call: WebCall) -> None:
        await call.wait_answer()
        await asyncio.sleep(self._keep)
        del self._entries[call.call_id]
        call.leave(GONE, LEAVE_PATIENCE)
        call.close()


def called_for(query: bytes) -> str | None:
    """The call that a request with this query comes back for, if it does."""
    if _MARK not in query:
        return None
    return parse_qs(query.decode("latin-1")).get(PARAMETER, [None])[0]


def redirect(call: WebCall, origin: bytes | None) -> Answer:
    """Where to come for the response. A page of another origin is let follow it there: the app has the say on what it gets."""
    where = f"?{PARAMETER}={call.call_id}"
    extra = [(b"location", where.encode()), (b"cache-control", b"no-store")]
    if origin is not None:
        extra += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"origin"),
        ]
    return Answer(303, f"no response yet; it comes at {where}", tuple(extra))
