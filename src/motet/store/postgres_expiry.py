"""Lets go of old calls in PostgreSQL, in steps: each looks at so many rows at most, whatever there is."""

from __future__ import annotations

from typing import Any, LiteralString

import msgspec
import psycopg

from motet.store.postgres_connection import one_way

# From where the step before ended: nothing is looked at twice, and no row that has just gone is passed over again. Of a call,
# outcomes are looked at up to the first that is too many: whether a larger call is old is for later steps to say. (EXISTS
# instead of LIMIT 1 would have the database read all inputs that wait.)
_NEXT = """
SELECT key, made_at, first.count, first.is_young OR waiting.call IS NOT NULL
    FROM (
        SELECT key, made_at FROM motet.calls WHERE made_at >= %s AND (made_at, key) > (%s, %s) AND made_at < %s
            ORDER BY made_at, key LIMIT %s
    ) AS next CROSS JOIN LATERAL (
        SELECT count(*) AS count, COALESCE(bool_or(ended_at >= %s), false) AS is_young FROM (
            SELECT ended_at FROM motet.outcomes WHERE call = key ORDER BY place LIMIT %s
        ) AS looked_at
    ) AS first
    LEFT JOIN LATERAL (SELECT call FROM motet.inputs WHERE call = key LIMIT 1) AS waiting ON true
    ORDER BY made_at, key
"""
_PART = """
SELECT count(*), max(place), COALESCE(bool_or(ended_at >= %s), false) FROM (
    SELECT place, ended_at FROM motet.outcomes WHERE call = %s AND place > %s ORDER BY place LIMIT %s
) AS part
"""
_FIRST_OUTCOMES = """
DELETE FROM motet.outcomes WHERE call = %s AND place IN (
    SELECT place FROM motet.outcomes WHERE call = %s AND place > %s ORDER BY place LIMIT %s
) RETURNING place
"""
_CHECKED = 10
"""How many times as many outcomes a step looks at as it lets go of."""
_BEGIN = float("-inf"), 0


def forget(session: psycopg.Connection[Any], keys: LiteralString, value: list[Any]) -> None:
    """Nothing is left of calls. `keys`: a question whose rows are their keys, about `value`."""
    session.execute(f"DELETE FROM motet.inputs WHERE call IN ({keys})", (value,))
    session.execute(f"DELETE FROM motet.outcomes WHERE call IN ({keys})", (value,))
    session.execute(f"DELETE FROM motet.calls WHERE key IN ({keys})", (value,))


class _Large(msgspec.Struct):
    """A call with more outcomes than a step lets go of. `seen`: all up to this place are old."""

    key: int
    made_at: float
    seen: int = -1
    is_old: bool = False


class PostgresExpiry:
    """Where it has got to. One that begins anew begins with the oldest call."""

    def __init__(self) -> None:
        self._place: tuple[float, int] = _BEGIN
        self._large: _Large | None = None

    def step(self, session: psycopg.Connection[Any], before: float, most: int) -> int:
        """See `Journal.expire`."""
        session.execute("SET LOCAL enable_sort = off")  # the index has that order, whatever statistics say
        if self._large is not None:
            return self._of_large(session, self._large, before, most)
        made_at, key = self._place
        found = session.execute(_NEXT, (made_at, made_at, key, before, most, before, most + 1)).fetchall()
        if not found:
            self._place = _BEGIN
            return 0
        gone, whole = 0, []
        for key, made_at, count, stays in found:
            if not stays and count > most:
                self._large = _Large(key, made_at)
                break
            if not stays and gone + count > most:
                break
            if not stays:
                whole.append(key)
                gone += max(1, count)
            self._place = made_at, key
        with one_way(session):
            forget(session, "SELECT unnest(%s::bigint[])", whole)
        return gone or len(found)

    def _of_large(self, session: psycopg.Connection[Any], large: _Large, before: float, most: int) -> int:
        waits = session.execute("SELECT EXISTS(SELECT FROM motet.inputs WHERE call = %s)", (large.key,)).fetchone()
        if waits == (True,):
            self._pass(large)
        elif not large.is_old:
            part = session.execute(_PART, (before, large.key, large.seen, most * _CHECKED)).fetchone()
            assert part is not None
            count, last, is_young = part
            large.seen = large.seen if last is None else last
            if is_young:
                self._pass(large)
            elif count < most * _CHECKED:
                large.seen, large.is_old = -1, True
        else:
            gone = session.execute(_FIRST_OUTCOMES, (large.key, large.key, large.seen, most)).fetchall()
            if len(gone) == most:
                large.seen = max(place for (place,) in gone)
            else:
                forget(session, "SELECT unnest(%s::bigint[])", [large.key])
                self._pass(large)
            return max(1, len(gone))
        return 1

    def _pass(self, large: _Large) -> None:
        self._place, self._large = (large.made_at, large.key), None
