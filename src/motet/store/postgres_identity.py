"""Which database a home has: one whose schema was dropped, or that is another one under its name, is not taken for a new one.

The home has a line with the database's name, and one that says when its schema was made, which a dump of it says, too.
"""

from __future__ import annotations

from pathlib import Path

from motet.errors import ServiceError
from motet.store.postgres_connection import PostgresConnection

DATABASE_ID = "database.id"

_IDENTITY = "SELECT extract(epoch FROM at)::text FROM motet.migrations WHERE number = 1"
_ANYTHING = "SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace('motet') LIMIT 1"


def check_identity(directory: Path, connection: PostgresConnection) -> None:
    """Raises `ServiceError` if the server of this directory has used the database, and that has another schema by now, or none;
    it is left as it is then."""
    path = directory / DATABASE_ID
    try:
        name, _, expected = path.read_text().strip().partition("\n")
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"cannot read {path}, which says which database this home has: {error}") from error
    if name != str(connection.address):  # it was told to use another one
        return
    found = _identity(connection)
    if found == expected or (not found and connection.rows(_ANYTHING)):  # the schema is looked at later
        return
    has = (
        "another schema motet than this home has used"
        if found
        else "no schema motet any more, which this home has used"
    )
    raise ServiceError(
        f"{connection.address} has {has}: what was kept there is gone. Nothing was changed. Restore the schema from a backup; "
        f"or, to begin anew without it, delete {path}"
    )


def note_identity(directory: Path, connection: PostgresConnection) -> None:
    """From now on the home knows this one. Raises `ServiceError`."""
    path = directory / DATABASE_ID
    text = f"{connection.address}\n{_identity(connection)}\n"
    unnamed = path.with_name(f"{DATABASE_ID}.new")
    try:
        if path.exists() and path.read_text() == text:
            return
        unnamed.write_text(text)
        unnamed.replace(path)
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"cannot write {path}, which says which database this home has: {error}") from error


def _identity(connection: PostgresConnection) -> str:
    """When its schema was made; "": it has none, or not the note of that."""
    ((name,),) = connection.rows("SELECT to_regclass('motet.migrations')::text")
    rows = [] if name is None else connection.rows(_IDENTITY)
    return str(rows[0][0]) if rows else ""
