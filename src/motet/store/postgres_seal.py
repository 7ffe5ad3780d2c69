"""The seal of what is deployed in a PostgreSQL database: each server that shares it has the same keys, or may not lead."""

from __future__ import annotations

from motet.errors import ServiceError
from motet.store.postgres_connection import PostgresConnection
from motet.store.seal import Seal

_MARK = b"Motet"
"""Sealed with the key in use: by it each server finds out whether it has that."""


def check_seal(connection: PostgresConnection, seal: Seal | None) -> None:
    """Raises `ServiceError` if what is deployed there is sealed, and this server could not open it."""
    if connection.rows("SELECT to_regclass('motet.seal')::text") == [(None,)]:
        return  # of an earlier layout
    rows = connection.rows("SELECT kept FROM motet.seal")
    if not rows:
        return
    advice = "Copy the file of keys of a server that can, and name it in MOTET_SECRETS_KEY"
    if seal is None:
        raise ServiceError(
            f"secrets in {connection.address} are sealed, and this server was given no key: it could start nothing that is "
            f"deployed. {advice}"
        )
    try:
        seal.opened(rows[0][0])
    except ServiceError as error:
        raise ServiceError(
            f"secrets in {connection.address} are sealed with a key that this server does not have: {error}. {advice}"
        ) from error


def adopt_seal(connection: PostgresConnection, seal: Seal | None) -> None:
    """Have all that is deployed there be sealed with the newest key. For who leads. Raises `ServiceError`, as above."""
    check_seal(connection, seal)
    if seal is None:
        return
    rows = connection.rows("SELECT made, kept FROM motet.deployments")
    changed = [(seal.sealed(seal.opened(kept)), made) for made, kept in rows if not seal.is_newest(kept)]
    mark = connection.rows("SELECT kept FROM motet.seal")
    with connection.writing() as session, session.cursor() as cursor:
        cursor.executemany("UPDATE motet.deployments SET kept = %s WHERE made = %s", changed)
        if not mark or not seal.is_newest(mark[0][0]):
            cursor.execute(
                "INSERT INTO motet.seal(kept) VALUES(%s) ON CONFLICT(only_one) DO UPDATE SET kept = EXCLUDED.kept",
                (seal.sealed(_MARK),),
            )
    if changed:
        with connection.reading() as session:
            session.execute("VACUUM FULL motet.deployments")  # of how they were before, the table has nothing
    if seal.has_older_keys:
        seal.forget_older_keys()
