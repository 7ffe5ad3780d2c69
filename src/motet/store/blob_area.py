"""Which part of a place that several deployments may share is whose: each keeps its blobs in an area of its own."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from motet.errors import ServiceError

if TYPE_CHECKING:
    from motet.store.postgres_connection import PostgresConnection

AREA_FILE = "blobs.area"

_MADE = "SELECT md5(extract(epoch FROM at)::text) FROM motet.migrations WHERE number = 1"
_is_area = re.compile("[0-9a-f]{32}").fullmatch


def area_of_home(directory: Path) -> str:
    """That of the server of this directory, made when it is asked for first. No backup has it: what is restored begins another
    one, and so never sweeps what the original has. Raises `ServiceError`."""
    path = directory / AREA_FILE
    try:
        if not path.exists():
            unnamed = path.with_name(f"{AREA_FILE}.new")
            unnamed.write_text(f"{secrets.token_hex(16)}\n")
            unnamed.replace(path)
        area = path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"cannot read or write {path}, which says which blobs are this server's: {error}") from error
    if not _is_area(area):
        raise ServiceError(
            f"{path}, which says which blobs are this server's, has {area!r:.80}: remove it, or restore it"
        )
    return area


def area_of_database(connection: PostgresConnection) -> str:
    """That of all servers that lead it in turn: it follows from when its schema was made. Raises `ServiceError`."""
    return str(connection.rows(_MADE)[0][0])
