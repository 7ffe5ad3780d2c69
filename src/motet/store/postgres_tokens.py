"""The tokens of a server that stays, in PostgreSQL: what is kept of each would not let anybody in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from motet.errors import ServiceError
from motet.store.base import KeptToken
from motet.store.postgres_connection import PostgresConnection


class PostgresTokens:
    """See `TokenStore`. One row, which is replaced as a whole."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def load(self) -> list[KeptToken] | None:
        """See `TokenStore`."""
        rows = self._connection.rows("SELECT kept FROM motet.tokens")
        if not rows:
            return None
        try:
            return msgspec.json.decode(rows[0][0], type=list[KeptToken])
        except msgspec.DecodeError as error:
            raise ServiceError(
                f"cannot read the tokens of this server in {self._connection.address}: {error}"
            ) from error

    def save(self, tokens: Sequence[KeptToken]) -> None:
        """See `TokenStore`."""
        with self._connection.writing() as session:
            session.execute(
                "INSERT INTO motet.tokens(kept) VALUES(%s) ON CONFLICT(only_one) DO UPDATE SET kept = EXCLUDED.kept",
                (msgspec.json.encode(list(tokens)),),
            )
