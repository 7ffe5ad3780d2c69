"""Shared state in PostgreSQL: written by who leads, and by nobody else."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

from motet.store.postgres_connection import PostgresConnection
from motet.store.state_rows import SqlStateRows


class PostgresState:
    """See `StateStore`."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    @contextlib.contextmanager
    def turn(self) -> Iterator[SqlStateRows]:
        """See `StateStore`."""
        with self._connection.writing() as session:

            def execute(statement: LiteralString, values: Sequence[Any] = ()) -> list[Any]:
                cursor = session.execute(_here(statement), values)
                return cursor.fetchall() if cursor.description is not None else []

            yield SqlStateRows(execute)

    def close(self) -> None:
        """See `StateStore`."""
        self._connection.close()


@functools.cache
def _here(statement: LiteralString) -> LiteralString:
    return statement.replace("$", "motet.").replace("?", "%s")
