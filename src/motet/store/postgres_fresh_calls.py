"""Which calls are likely to be new, and the keys that they get.

Nearly every call is new, and comes with its inputs. Where its key is known before it is written, so is its inputs', and nothing
is looked up in the database: not the call of each input, not whether that has an outcome, not whose the call is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

import psycopg

from motet.store.journal import KeptCall

AT_ONCE = 100_000
"""Keys that are taken from the database's sequence together. What is left of them when a server ends is never used."""

REMEMBERED = 10_000
"""Calls of which it is known that they are there: the latest. A call of many inputs is said again with each part of them."""

# One leads, and nobody else makes calls: between the two nobody takes a key. What a rollback undoes, a sequence keeps.
_TAKE = """
SELECT setval(name, nextval(name) + %s) FROM pg_get_serial_sequence('motet.calls', 'key') AS name
"""


class FreshCalls:
    """Of one term. It may be wrong: a call that seems new may be there already, and then its key is not used."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._next = self._end = 0

    def among(self, calls: Iterable[KeptCall]) -> AbstractSet[str]:
        """The ids of those that seem to be new."""
        return {each.call_id for each in calls if each.call_id not in self._known}

    def keys(self, session: psycopg.Connection[Any], calls: Collection[str]) -> Mapping[str, int]:
        """One for each of these calls."""
        if not calls:
            return {}
        if self._end - self._next < len(calls):
            count = max(AT_ONCE, len(calls))
            taken = session.execute(_TAKE, (count - 1,)).fetchone()
            assert taken is not None
            self._end = taken[0] + 1
            self._next = self._end - count
        first = self._next
        self._next += len(calls)
        return dict(zip(calls, range(first, self._next), strict=True))

    def note(self, calls: Iterable[KeptCall]) -> None:
        """They are there from now on."""
        self._known.update(dict.fromkeys(each.call_id for each in calls))
        for oldest in [*islice(self._known, max(0, len(self._known) - REMEMBERED))]:
            del self._known[oldest]
