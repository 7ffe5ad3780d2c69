"""The servers that share a PostgreSQL database, and how long a lease of it runs."""

from __future__ import annotations

import msgspec

from motet.store.members import LONGEST_SILENCE, SeenMember, ServerMember
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection


class PostgresMembers:
    """See `Members`. What is written here is fenced by no term: each server writes its own row, and nothing is decided by it. A
    database whose layout has no such tables yet, because an earlier release leads, raises `ServiceError`."""

    def __init__(self, address: PostgresAddress) -> None:
        self._connection = PostgresConnection(address, name="motet member")

    def note(self, member: ServerMember) -> None:
        """See `Members`."""
        self._connection.rows(
            "INSERT INTO motet.members VALUES(%s, %s, clock_timestamp()) ON CONFLICT(home) DO UPDATE SET kept = "
            "EXCLUDED.kept, seen_at = EXCLUDED.seen_at RETURNING home",
            member.home,
            msgspec.json.encode(member),
        )

    def seen(self) -> list[SeenMember]:
        """See `Members`."""
        rows = self._connection.rows(
            "SELECT kept, EXTRACT(EPOCH FROM clock_timestamp() - seen_at)::float8 FROM motet.members WHERE seen_at > "
            "clock_timestamp() - %s * interval '1 s' ORDER BY home",
            LONGEST_SILENCE,
        )
        return [SeenMember(msgspec.json.decode(kept, type=ServerMember), age) for kept, age in rows]

    def homes(self) -> list[str]:
        """See `Members`."""
        return [home for (home,) in self._connection.rows("SELECT home FROM motet.members ORDER BY home")]

    def leave(self, home: str) -> None:
        """See `Members`."""
        self._connection.rows("DELETE FROM motet.members WHERE home = %s RETURNING home", home)

    def lease_seconds(self) -> float | None:
        """See `Members`."""
        rows = self._connection.rows("SELECT seconds FROM motet.lease_length")
        return float(rows[0][0]) if rows else None

    def set_lease_seconds(self, seconds: float) -> None:
        """See `Members`."""
        self._connection.rows(
            "INSERT INTO motet.lease_length(seconds) VALUES(%s) ON CONFLICT(only_one) DO UPDATE SET seconds = "
            "EXCLUDED.seconds RETURNING seconds",
            seconds,
        )

    def close(self) -> None:
        """See `Members`."""
        self._connection.close()
