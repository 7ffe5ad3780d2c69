"""Which part of a place that several deployments may share is whose: each keeps its blobs in an area of its own."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from motet.errors import ServiceError

if TYPE_CHECKING:
    from motet.store.postgres_connection import PostgresConnection

AREA_FILE = "blobs.area"

_MADE = """
SELECT md5(concat_ws(' ', extract(epoch FROM at), system_identifier, oid))
FROM motet.migrations, pg_control_system(), pg_database WHERE number = 1 AND datname = current_database()
"""
_is_area = re.compile("[0-9a-f]{32}").fullmatch


def area_of_home(directory: Path) -> str:
    """That of the server of this directory, made when it is asked for first. No backup has it, and a copy of the directory
    begins another one: what is restored or copied never deletes what the original has. Raises `ServiceError`."""
    path = directory / AREA_FILE
    try:
        return _read(path) or _begin(path)
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"cannot read or write {path}, which says which blobs are this server's: {error}") from error


def has_area(directory: Path) -> bool:
    """Whether the server of this directory has, or had, blobs elsewhere."""
    return (directory / AREA_FILE).exists()


def _read(path: Path) -> str:
    """The area that this file names; "": there is none, or it is a copy of another home's."""
    try:
        with path.open() as file:
            area, _, number = file.read().partition("\n")
            own = os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return ""
    if not _is_area(area):
        raise ServiceError(
            f"{path}, which says which blobs are this server's, has {area!r:.80}: remove it, or restore it"
        )
    return area if number.strip() in ("", str(own)) else ""


def _begin(path: Path) -> str:
    area = secrets.token_hex(16)
    unnamed = path.with_name(f"{AREA_FILE}.new")
    with unnamed.open("w") as file:
        # A file that is moved keeps the number that its disk knows it by; a copy of it has another one.
        file.write(f"{area}\n{os.fstat(file.fileno()).st_ino}\n")
    unnamed.replace(path)
    return area


def area_of_database(connection: PostgresConnection) -> str:
    """That of all servers that lead it in turn: it follows from when its schema was made, and where it lies. What a dump is
    restored to has another one. Raises `ServiceError`."""
    return str(connection.rows(_MADE)[0][0])
