"""Motet's schema in a PostgreSQL database: made, brought up to this release, or refused."""

from __future__ import annotations

import re
from typing import Any, LiteralString, cast

import psycopg

from motet.errors import ServiceError
from motet.model.version import VERSION
from motet.store.postgres_address import PostgresAddress
from motet.store.postgres_connection import PostgresConnection
from motet.store.postgres_migrations import MIGRATIONS, NEWEST

OLDEST_SERVER = 140000
"""PostgreSQL 14: before it, nobody waits for the end of a session."""

_LOCK = 0x6D6F746574
"""Of those who change the schema: one at a time. The word `motet`."""

_table = re.compile(r"CREATE TABLE motet\.(\w+)")

_VERSIONS = """
CREATE SCHEMA IF NOT EXISTS motet;
CREATE TABLE IF NOT EXISTS motet.migrations(number integer PRIMARY KEY, motet text NOT NULL, at timestamptz NOT NULL);
"""


def check(connection: PostgresConnection) -> None:
    """Make the schema if there is none. Raises `ServiceError` for a database that cannot be one of Motet's: away, too old,
    read-only, in another encoding, or of a newer release; it is left as it is. One of an older release is left as well, for
    `migrate`: a server of that release may lead."""
    with connection.reading() as session:
        _check_server(session, connection.address)
        found = _found(session)
        _refuse_newer(found, connection.address)
        _check_whole(session, found, connection.address)
    if found == 0:
        _advance(connection)


def migrate(connection: PostgresConnection) -> None:
    """Bring it up to this release. Only for who leads: no other server writes meanwhile."""
    _advance(connection)


def _advance(connection: PostgresConnection) -> None:
    with connection.writing() as session:
        session.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        session.execute(_VERSIONS)
        found = _found(session)
        _refuse_newer(found, connection.address)
        for number, step in enumerate(MIGRATIONS[found:], found + 1):
            session.execute(step)
            session.execute("INSERT INTO motet.migrations VALUES(%s, %s, now())", (number, VERSION))


def _found(session: psycopg.Connection[Any]) -> int:
    """The number of the last step that was taken; 0: there is no schema."""
    (name,) = _one(session, "SELECT to_regclass('motet.migrations')::text")
    if name is None:
        return 0
    (number,) = _one(session, "SELECT COALESCE(MAX(number), 0) FROM motet.migrations")
    return int(number)


def _check_whole(session: psycopg.Connection[Any], found: int, address: PostgresAddress) -> None:
    """Raises `ServiceError` if tables have vanished, or the note of which there should be."""
    tables = _table.findall("".join(MIGRATIONS[:found] or MIGRATIONS))
    there = {
        name
        for (name,) in session.execute("SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('motet')")
    }
    missing = [each for each in tables if each not in there]
    if found == 0:
        missing = ["migrations"] if len(missing) < len(tables) else []
    if missing:
        raise ServiceError(
            f"{address} has lost tables of Motet's ({', '.join(missing)}), and is left as it is: restore its schema motet from "
            "a backup; or, to begin anew without what was kept there, drop the schema"
        )


def _refuse_newer(found: int, address: PostgresAddress) -> None:
    if found > NEWEST:
        raise ServiceError(
            f"{address} was written by a newer Motet (layout {found}, this one knows {NEWEST}), and is left as it is: update "
            "Motet, or name another database in MOTET_STORE"
        )


def _check_server(session: psycopg.Connection[Any], address: PostgresAddress) -> None:
    number, version, encoding, is_read_only = _one(
        session,
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
        "current_setting('server_encoding'), current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery()",
    )
    if number < OLDEST_SERVER:
        raise ServiceError(
            f"{address} is of PostgreSQL {version}: Motet needs {OLDEST_SERVER // 10000}, or a later one"
        )
    if encoding != "UTF8":
        raise ServiceError(f"{address} has the encoding {encoding}: make one WITH ENCODING 'UTF8' TEMPLATE template0")
    if is_read_only:
        raise ServiceError(f"{address} takes no writes, as a standby does: name the primary in MOTET_STORE")


def _one(session: psycopg.Connection[Any], statement: LiteralString) -> tuple[Any, ...]:
    row = session.execute(statement).fetchone()
    assert row is not None
    return cast(tuple[Any, ...], row)
