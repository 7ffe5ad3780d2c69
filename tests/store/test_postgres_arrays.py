"""Arrays for PostgreSQL: the values that are sent are those that arrive."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest

from motet.store.postgres_arrays import array, arrays
from tests.postgres import PostgresDatabase

VALUES: dict[LiteralString, list[Any]] = {
    "text": ["", "fc-1", "ä€😀"],
    "bytea": [b"", b"\0\xff", bytes(100_000)],
    "smallint": [-(2**15), 0, 2**15 - 1],
    "integer": [-(2**31), 0, 2**31 - 1],
    "bigint": [-(2**63), 0, 2**63 - 1],
    "float8": [0.0, -1.5, float("inf")],
}


def test_each_type_arrives_as_it_was_sent(postgres: PostgresDatabase) -> None:
    with psycopg.connect(postgres.address) as session:
        for kind, values in VALUES.items():
            found = session.execute(f"SELECT * FROM unnest(%b::{kind}[])", (array(kind, values),)).fetchall()
            assert [each for (each,) in found] == values
        rows = [("a", 1), ("b", 2)]
        sent = arrays(("text", "integer"), rows)
        assert session.execute("SELECT * FROM unnest(%b::text[], %b::integer[])", sent).fetchall() == rows


@pytest.mark.parametrize(
    ("kind", "value"), [("integer", 2**31), ("smallint", 1.5), ("bigint", None), ("text", "\ud800")]
)
def test_what_a_type_does_not_have_is_refused(kind: str, value: object) -> None:
    with pytest.raises(psycopg.DataError, match=f"no {kind}"):
        array(kind, [value])
